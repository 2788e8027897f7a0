//! Names that Prometheus takes: metric names and label names.
//!
//! Every name that reaches a file passes through here, also those that already begin with the
//! prefix: one unclean name makes a scraper refuse the whole file. The rules are those of the
//! Prometheus data model before quoted UTF-8 names, because text format 0.0.4 has no quotes.

use std::borrow::Cow;

use flowglass_catalog::Prefix;

/// Bytes of a metric or label name at most; the lowest limit among common backends.
pub const NAME_BYTES_MAX: usize = 1_024;

/// A cleaned name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clean {
    pub(crate) name: String,
    /// Something was replaced beyond the punctuation that joins words elsewhere.
    pub(crate) lossy: bool,
    /// The name was cut to [`NAME_BYTES_MAX`].
    pub(crate) cut: bool,
}

/// The full name of a custom metric: lower case and prefixed, unless the prefix is there already.
pub(crate) fn metric_name(prefix: &Prefix, raw: &str) -> Clean {
    let raw = raw.trim();
    let prefix = prefix.join("");
    let body = raw.strip_prefix(&prefix);
    let lowered = match body {
        // Somebody who writes the prefix means the name as it is.
        Some(kept) => Cow::Borrowed(kept),
        None => Cow::Owned(raw.to_lowercase()),
    };
    let mut clean = replace(&lowered, prefix.len());
    clean.name.insert_str(0, &prefix);
    clean
}

/// The Prometheus name of a label; `reserved` when it had to get the prefix `label`.
pub(crate) fn label_name(raw: &str) -> (Clean, bool) {
    let mut clean = replace(raw, "label".len());
    if clean.name.starts_with(|first: char| first.is_ascii_digit()) {
        clean.name.insert(0, '_');
    }
    // `le` and `quantile` belong to histograms and summaries; `__x` to Prometheus itself.
    let reserved = if clean.name.starts_with("__") {
        clean.name.insert_str(0, "label");
        true
    } else if matches!(clean.name.as_str(), "le" | "quantile") {
        clean.name.insert_str(0, "label_");
        true
    } else {
        false
    };
    (clean, reserved)
}

fn replace(raw: &str, room: usize) -> Clean {
    let mut lossy = false;
    let mut name = String::with_capacity(raw.len());
    let mut cut = false;
    for character in raw.chars() {
        if name.len() + room + 2 >= NAME_BYTES_MAX {
            cut = true;
            break;
        }
        if character.is_ascii_alphanumeric() || character == '_' {
            name.push(character);
        } else {
            lossy |= !matches!(character, '.' | '-' | ' ' | '/' | ':');
            name.push('_');
        }
    }
    Clean { name, lossy, cut }
}

#[cfg(test)]
mod tests {
    use flowglass_catalog::Prefix;

    use super::{label_name, metric_name};

    #[track_caller]
    fn metric(raw: &str, name: &str, lossy: bool) {
        let clean = metric_name(&Prefix::default(), raw);
        assert_eq!((clean.name.as_str(), clean.lossy), (name, lossy));
    }

    #[track_caller]
    fn label(raw: &str, name: &str, is_reserved: bool) {
        let (clean, reserved) = label_name(raw);
        assert_eq!((clean.name.as_str(), reserved), (name, is_reserved));
    }

    #[test]
    fn metric_names_are_cleaned_with_and_without_prefix() {
        metric("Freshness-Lag.Seconds", "flowglass_freshness_lag_seconds", false);
        metric("flowglass_Kept Case{}\n", "flowglass_Kept_Case__", true);
        metric("größe", "flowglass_gr__e", true);
        metric("9lives", "flowglass_9lives", false);
        metric("dpone_x", "flowglass_dpone_x", false);
    }

    #[test]
    fn label_names_are_cleaned_and_reserved_ones_moved() {
        label("source.system", "source_system", false);
        label("1st", "_1st", false);
        label("__name__", "label__name__", true);
        label("..x", "label__x", true);
        label("le", "label_le", true);
        label("é", "_", false);
    }
}
