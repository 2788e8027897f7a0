//! Text inside Markdown: nothing that comes from a report may become a heading, a link or a tag.

/// Escapes `text` for a paragraph, list item or table cell of CommonMark and GitHub's tables.
///
/// Control characters and those that change the direction of text become their code point, so that
/// a report cannot hide what it says.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            // Inside a word `_` marks nothing up, and names of metrics are full of it.
            '_' if before.is_some_and(char::is_alphanumeric)
                && rest.peek().is_some_and(|next| next.is_alphanumeric()) =>
            {
                out.push('_');
            }
            '\n' | '\r' | '\t' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // `@` would mention a user and `:` is harmless without the `//` of a link.
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(character);
            }
            _ if character.is_control() || is_invisible(character) => {
                out.push_str(&format!("U+{:04X}", u32::from(character)));
            }
            other => out.push(other),
        }
        before = Some(character);
    }
    // A URL in plain text becomes a link by itself.
    out.replace("://", "&#58;//")
}

const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_becomes_markup() {
        assert_eq!(escape("a|b\n# c"), "a\\|b \\# c");
        assert_eq!(
            escape("<b> & `x` [l](http://x)"),
            "&lt;b&gt; &amp; \\`x\\` \\[l\\](http&#58;//x)"
        );
        assert_eq!(escape("a\u{202E}b\0"), "aU+202EbU+0000");
        assert_eq!(escape("@team"), "&#64;team");
        assert_eq!(escape("run_id _x_ a__b"), "run_id \\_x\\_ a\\_\\_b");
    }
}
