//! What `/ready` asks for besides the store, as the environment names it.

use flowglass_server::Dependency;

use crate::exit::BadUsage;

/// Reads `FLOWGLASS_DB_HOST/PORT`, `FLOWGLASS_CACHE_HOST/PORT` and `FLOWGLASS_EXTERNAL_API_URL`. What
/// is not set is skipped; the database is required, the others are not.
///
/// # Errors
/// [`BadUsage`] names the variable that cannot be used.
pub(super) fn dependencies() -> Result<Vec<Dependency>, BadUsage> {
    read(&|name| std::env::var(name).ok().filter(|it| !it.is_empty()))
}

fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Dependency>, BadUsage> {
    let pair = |name: &str, host: &str, port: &str, required| {
        let address = match (variable(host), variable(port)) {
            (None, None) => None,
            (Some(host), Some(text)) => match text.parse::<u16>() {
                Ok(port) if port > 0 => Some(format!("{host}:{port}")),
                _ => return Err(bad(port, "is no port: write 1 to 65535")),
            },
            (Some(_), None) => return Err(bad(port, "is missing beside its host")),
            (None, Some(_)) => return Err(bad(host, "is missing beside its port")),
        };
        Ok(Dependency { name: name.to_owned(), address, http: None, required })
    };
    let database = pair("database", "FLOWGLASS_DB_HOST", "FLOWGLASS_DB_PORT", true)?;
    let cache = pair("cache", "FLOWGLASS_CACHE_HOST", "FLOWGLASS_CACHE_PORT", false)?;
    let (address, http) = match variable(URL) {
        None => (None, None),
        Some(url) => parse_url(&url).map(|(address, path)| (Some(address), Some(path)))?,
    };
    let api = Dependency { name: "external_api".to_owned(), address, http, required: false };
    Ok(vec![database, cache, api])
}

const URL: &str = "FLOWGLASS_EXTERNAL_API_URL";

fn bad(name: &str, what: &str) -> BadUsage {
    BadUsage(format!("the variable {name} {what}"))
}

/// `host:port` and path.
fn parse_url(url: &str) -> Result<(String, String), BadUsage> {
    let rest =
        url.strip_prefix("http://").ok_or_else(|| bad(URL, "does not begin with http://"))?;
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = place.split_once(':').unwrap_or((place, "80"));
    let sound = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_');
    if host.is_empty() || !host.chars().all(sound) {
        return Err(bad(URL, "names no host"));
    }
    let port: u16 = port.parse().map_err(|_bad| bad(URL, "has no usable port"))?;
    if path.chars().any(|it| it.is_control() || it == ' ') {
        return Err(bad(URL, "has a path with spaces"));
    }
    Ok((format!("{host}:{port}"), format!("/{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Vec<Dependency>, BadUsage> {
        let find = |name: &str| {
            let found = pairs.iter().find(|it| it.0 == name);
            found.map(|it| it.1.to_owned())
        };
        read(&find)
    }

    #[test]
    fn what_is_not_set_is_skipped() {
        let all = with(&[]).unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|it| it.address.is_none()));
    }

    #[test]
    fn what_is_set_is_asked() {
        let all = with(&[
            ("FLOWGLASS_DB_HOST", "db"),
            ("FLOWGLASS_DB_PORT", "5432"),
            ("FLOWGLASS_EXTERNAL_API_URL", "http://api.example:8080/health?x=1"),
        ]);
        let all = all.unwrap();
        assert_eq!(all[0].address.as_deref(), Some("db:5432"));
        assert_eq!(all[2].address.as_deref(), Some("api.example:8080"));
        assert_eq!(all[2].http.as_deref(), Some("/health?x=1"));
    }

    #[test]
    fn what_cannot_be_used_names_its_variable() {
        for (pairs, name) in [
            (vec![("FLOWGLASS_DB_HOST", "db")], "FLOWGLASS_DB_PORT"),
            (vec![("FLOWGLASS_DB_PORT", "1")], "FLOWGLASS_DB_HOST"),
            (
                vec![("FLOWGLASS_CACHE_HOST", "c"), ("FLOWGLASS_CACHE_PORT", "abc")],
                "FLOWGLASS_CACHE_PORT",
            ),
            (
                vec![("FLOWGLASS_CACHE_HOST", "c"), ("FLOWGLASS_CACHE_PORT", "70000")],
                "FLOWGLASS_CACHE_PORT",
            ),
            (vec![(URL, "ftp://x")], URL),
            (vec![(URL, "http://")], URL),
            (vec![(URL, "http://x:99999/")], URL),
        ] {
            let error = with(&pairs).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
