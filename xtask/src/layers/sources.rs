//! What the sources of a room must not say.

use super::law::{EDGE_ROOMS, EDGE_WORDS, NO_SQL_ROOMS, NOT_IN_ENGINE, SQL_ASKED, SQL_STARTS};
use crate::rust_source::{is_whole_word, line_of, views_without_tests};

/// Everything in one file that a law of its room speaks against: line and words.
pub(crate) fn complaints(room: &str, source: &str) -> Vec<(usize, String)> {
    let views = views_without_tests(source);
    let mut found = Vec::new();
    if !EDGE_ROOMS.contains(&room) {
        for (word, why) in EDGE_WORDS {
            let starts = |at: &usize| *at == 0 || !is_name(views.code.as_bytes().get(at - 1));
            for at in places(&views.code, word).filter(starts) {
                found.push((line_of(&views.code, at), format!("`{word}`: {why}")));
            }
        }
    }
    if room == "engine" {
        let lower = views.text.to_ascii_lowercase();
        for name in NOT_IN_ENGINE {
            for at in places(&lower, name).filter(|at| is_whole_word(&lower, *at, name)) {
                found.push((
                    line_of(&lower, at),
                    format!("`{name}`: the engine knows no connector and no exporter"),
                ));
            }
        }
    }
    if NO_SQL_ROOMS.contains(&room) {
        for start in SQL_STARTS.iter().filter(|start| !SQL_ASKED.contains(&(room, start))) {
            for at in places(&views.text, &format!("\"{start}")) {
                found.push((
                    line_of(&views.text, at),
                    format!("`{start}…`: only the store and connectors hold SQL"),
                ));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at)
}

fn is_name(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(room: &str, source: &str) -> Vec<usize> {
        complaints(room, source).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn printing_and_the_environment_are_for_the_binary() {
        let source = "fn a() {\n  // println! is a word here\n  println!(\"x\");\n  let _ = std::env::var(\"A\");\n  my_print!();\n}\n";
        assert_eq!(lines("model", source), [3, 4]);
        assert_eq!(lines("flowglass", source), [0; 0]);
    }

    #[test]
    fn the_engine_names_no_connector_even_in_a_string() {
        let source = "//! Not even postgres, but here it is a comment.\nfn a() { b(\"postgres\"); csvish(); }\n";
        assert_eq!(lines("engine", source), [2]);
        assert_eq!(lines("sources", source), [0; 0]);
    }

    #[test]
    fn sql_is_found_where_it_does_not_belong() {
        assert_eq!(lines("telemetry", "const A: &str = \"SELECT a FROM b\";\n"), [1]);
        assert_eq!(lines("store", "const A: &str = \"SELECT a FROM b\";\n"), [0; 0]);
        assert_eq!(lines("engine", "const A: &str = \"SELECT a FROM b\";\n"), [0; 0]);
        assert_eq!(lines("engine", "const A: &str = \"PRAGMA a\";\n"), [1]);
    }

    #[test]
    fn tests_may_print() {
        assert_eq!(
            lines("model", "#[cfg(test)]\nmod tests {\n  fn a() { println!(); }\n}\n"),
            [0; 0]
        );
    }
}
