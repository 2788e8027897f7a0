//! What has to be right before a stream can run into this Redis, from what `INFO` says.

use flowglass_connect::Fault;
use flowglass_connect::stream::Precondition;

use super::config::Settings;
use super::connection::{Connection, Told};

/// Streams came with this version.
const MAJOR_MIN: u32 = 5;

/// Asks the server.
///
/// # Errors
/// When it cannot be reached or does not let us in.
pub(super) async fn examine(settings: &Settings) -> Result<Vec<Precondition>, Fault> {
    let mut connection = Connection::open(settings).await?;
    let info = match connection.ask(&[b"INFO"]).await? {
        Ok(Told::Text(info)) => info,
        Ok(Told::Nothing) => String::new(),
        Err(refusal) => {
            return Ok(vec![Precondition {
                name: "redis_info".to_owned(),
                fine: false,
                optional: true,
                found: format!("the server does not answer INFO ({})", refusal.code()),
                remedy: Some("ACL SETUSER <user> +info".to_owned()),
            }]);
        }
    };
    Ok(judge(&info, settings.prefix.is_empty()))
}

fn judge(info: &str, untagged: bool) -> Vec<Precondition> {
    let said = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let look = |name: &str, fine: bool, found: String| Precondition {
        name: name.to_owned(),
        fine,
        optional: false,
        found,
        remedy: None,
    };
    let version = said("redis_version").unwrap_or("unknown");
    let major = version.split('.').next().and_then(|it| it.parse().ok()).unwrap_or(0);
    let role = said("role").unwrap_or("unknown");
    let clustered = said("cluster_enabled") == Some("1");
    let policy = said("maxmemory_policy").unwrap_or("noeviction");
    let limited = said("maxmemory").is_some_and(|bytes| bytes != "0");
    let evicts = limited && policy != "noeviction" && !policy.starts_with("volatile");
    let appends = said("aof_enabled") == Some("1");
    vec![
        Precondition {
            remedy: (major < MAJOR_MIN).then(|| "use Redis 5 or newer".to_owned()),
            ..look("redis_version", major >= MAJOR_MIN, version.to_owned())
        },
        Precondition {
            remedy: (role != "master").then(|| "point `uri` to the primary".to_owned()),
            ..look("redis_role", role == "master", role.to_owned())
        },
        Precondition {
            remedy: (clustered && untagged)
                .then(|| "set `cluster_tag`: one transaction is in one slot".to_owned()),
            ..look(
                "redis_cluster",
                !(clustered && untagged),
                if clustered { "a cluster" } else { "one server" }.to_owned(),
            )
        },
        Precondition {
            optional: true,
            remedy: evicts.then(|| "CONFIG SET maxmemory-policy noeviction".to_owned()),
            ..look(
                "redis_maxmemory_policy",
                !evicts,
                if limited { policy.to_owned() } else { "no limit of memory".to_owned() },
            )
        },
        Precondition {
            optional: true,
            remedy: (!appends).then(|| "CONFIG SET appendonly yes".to_owned()),
            ..look(
                "redis_persistence",
                appends,
                if appends {
                    "append-only file".to_owned()
                } else {
                    "no append-only file: what was acknowledged can be lost with the server"
                        .to_owned()
                },
            )
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(info: &str, untagged: bool) -> Vec<String> {
        judge(info, untagged).into_iter().filter(|it| !it.fine).map(|it| it.name).collect()
    }

    #[test]
    fn each_precondition_can_fail() {
        let good = "redis_version:7.0.15\r\nrole:master\r\ncluster_enabled:0\r\nmaxmemory:0\r\n\
                    maxmemory_policy:noeviction\r\naof_enabled:1\r\n";
        assert_eq!(wrong(good, true), [""; 0]);
        assert_eq!(wrong(&good.replace("7.0.15", "4.0.9"), true), ["redis_version"]);
        assert_eq!(wrong(&good.replace("master", "slave"), true), ["redis_role"]);
        assert_eq!(wrong(&good.replace("enabled:0", "enabled:1"), true), ["redis_cluster"]);
        assert_eq!(wrong(&good.replace("enabled:0", "enabled:1"), false), [""; 0]);
        let full = good.replace("maxmemory:0", "maxmemory:9").replace("noevic", "allkeys-lru-");
        assert_eq!(wrong(&full, true), ["redis_maxmemory_policy"]);
        assert_eq!(wrong(&good.replace("aof_enabled:1", "x:1"), true), ["redis_persistence"]);
    }
}
