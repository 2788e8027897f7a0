//! The nearest valid word to one that is not valid.

/// The candidate that `word` was most likely meant to be, if any is near enough.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = plain(word);
    let distance = |candidate: &'a str| {
        let other = self::plain(candidate);
        let letters = plain.chars().count().max(other.chars().count());
        let steps = strsim::damerau_levenshtein(&plain, &other);
        // A third of the letters may be wrong, and a word that begins with the other is near.
        let begins = plain.len() >= 3 && (other.starts_with(&plain) || plain.starts_with(&other));
        (steps <= (letters / 3).max(1) || (begins && other.len() >= 3))
            .then_some((steps, candidate))
    };
    candidates.into_iter().filter_map(distance).min().map(|(_, candidate)| candidate)
}

/// The words as a list for people: `a`, `b` or `c`; the first 24 when there are more.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>, joiner: &str) -> String {
    const SHOWN_MAX: usize = 24;
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    if words.len() > SHOWN_MAX {
        let shown: Vec<&str> = words.iter().take(SHOWN_MAX).map(String::as_str).collect();
        return format!("{} and {} more", shown.join(", "), words.len() - SHOWN_MAX);
    }
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} {joiner} {last}", before.join(", ")),
    }
}

/// What there is, to go on after `there`: ``are `a` and `b` ``, or ``is only `a` ``.
pub(crate) fn are<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    let verb = if words.len() == 1 { "is only" } else { "are" };
    format!("{verb} {}", listed(words, "and"))
}

fn plain(word: &str) -> String {
    word.chars().filter(|it| !matches!(it, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{are, listed, nearest};

    #[test]
    fn a_slip_of_the_finger_is_found_and_a_stranger_is_not() {
        let words = ["strategy", "key", "cursor", "schema_change", "max_attempts"];
        assert_eq!(nearest("stratgey", words), Some("strategy"));
        assert_eq!(nearest("maxAttempts", words), Some("max_attempts"));
        assert_eq!(nearest("keys", words), Some("key"));
        assert_eq!(nearest("banana", words), None);
    }

    #[test]
    fn lists_read_as_english() {
        assert_eq!(listed(["a"], "or"), "`a`");
        assert_eq!(listed(["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(are(["a", "b"]), "are `a` and `b`");
        assert_eq!(are(["a"]), "is only `a`");
    }
}
