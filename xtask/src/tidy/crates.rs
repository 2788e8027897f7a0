//! Rules about a member's `Cargo.toml`.

use toml::{Table, Value};

/// A lint that is switched off by forgetting a line is not a lint, and tests of many small binaries
/// link for minutes.
pub(crate) fn complaints(path: &str, source: &str) -> Vec<(usize, String)> {
    let is_member = path.ends_with("/Cargo.toml") && !path.starts_with("fuzz/");
    if !is_member {
        return Vec::new();
    }
    let table: Table = match source.parse() {
        Ok(table) => table,
        Err(error) => return vec![(1, format!("not TOML: {error}"))],
    };
    let mut found = Vec::new();
    let flag = |section: &str, key: &str| {
        table.get(section).and_then(|it| it.get(key)).and_then(Value::as_bool).unwrap_or_default()
    };
    if !flag("lints", "workspace") {
        found.push((1, "inherit the lints: `[lints]` with `workspace = true`".to_owned()));
    }
    let tests = table.get("test").and_then(Value::as_array).map_or(0, Vec::len);
    if tests > 1 {
        found
            .push((1, format!("{tests} test binaries; one a crate, `tests/main.rs` with modules")));
    }
    let own_switch =
        table.get("package").and_then(|it| it.get("autotests")).and_then(Value::as_bool);
    if tests == 1 && own_switch != Some(false) {
        found.push((
            1,
            "`autotests = false` beside `[[test]]`, or each file in tests/ is linked by itself"
                .to_owned(),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_are_inherited_and_there_is_one_test_binary() {
        let said = |source: &str| complaints("crates/a/Cargo.toml", source).len();
        assert_eq!(
            said(
                "[package]\nautotests = false\n[lints]\nworkspace = true\n[[test]]\nname = \"main\"\n"
            ),
            0
        );
        assert_eq!(said("[package]\n[lints]\nworkspace = true\n[[test]]\nname = \"main\"\n"), 1);
        assert_eq!(said("[package]\n"), 1);
        assert_eq!(complaints("Cargo.toml", "[workspace]\n").len(), 0);
    }
}
