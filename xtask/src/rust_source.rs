//! Just enough of Rust's lexical structure to look at code without its comments, strings and tests.
//!
//! A search for `println!` must not find the word in a comment, and a search for a connector's name
//! must find it in a string. A full parser would know more and cost a dependency; what is asked
//! here is answered by walking over comments and literals.

/// Views of one file, each of the same length and with the same lines.
#[derive(Debug)]
pub(crate) struct Views {
    /// Comments are blank.
    pub(crate) text: String,
    /// Comments and the insides of string literals are blank.
    pub(crate) code: String,
}

/// Makes the views.
pub(crate) fn views(source: &str) -> Views {
    let mut walker =
        Walker { source: source.as_bytes(), at: 0, text: Vec::new(), code: Vec::new() };
    walker.walk();
    Views { text: into_string(&walker.text), code: into_string(&walker.code) }
}

/// The same with the modules under `#[cfg(test)]` blank in both views.
pub(crate) fn views_without_tests(source: &str) -> Views {
    let mut views = views(source);
    while let Some((start, end)) = test_module(&views.code) {
        views.code = blanked(&views.code, start, end);
        views.text = blanked(&views.text, start, end);
    }
    views
}

/// Where the first `#[cfg(test)] mod … { … }` begins and ends, in bytes of the `code` view.
pub(crate) fn test_module(code: &str) -> Option<(usize, usize)> {
    const MARK: &str = "#[cfg(test)]";
    let mut from = 0;
    while let Some(found) = code.get(from..)?.find(MARK) {
        let start = from + found;
        let after = code.get(start + MARK.len()..)?;
        let is_module = after.trim_start().starts_with("mod ");
        let brace = after.find('{')?;
        let semicolon = after.find(';').unwrap_or(usize::MAX);
        if is_module && brace < semicolon {
            let open = start + MARK.len() + brace;
            return Some((start, open + closing(code.get(open..)?)));
        }
        from = start + MARK.len();
    }
    None
}

/// The line, counted from 1, of a byte.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// Whether `word` stands at this byte with no letter, digit or `_` beside it.
pub(crate) fn is_whole_word(text: &str, at: usize, word: &str) -> bool {
    let part =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    let before = at.checked_sub(1).and_then(|it| bytes.get(it));
    !part(before) && !part(bytes.get(at + word.len()))
}

/// How many bytes until the brace that closes the one at the start.
fn closing(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    code.len()
}

fn blanked(text: &str, start: usize, end: usize) -> String {
    let blank = |(at, byte)| if (start..end).contains(&at) && byte != b'\n' { b' ' } else { byte };
    let bytes: Vec<u8> = text.bytes().enumerate().map(blank).collect();
    into_string(&bytes)
}

fn into_string(bytes: &[u8]) -> String {
    // Whole characters were blanked or kept, so nothing is lost here.
    String::from_utf8_lossy(bytes).into_owned()
}

struct Walker<'a> {
    source: &'a [u8],
    at: usize,
    text: Vec<u8>,
    code: Vec<u8>,
}

impl Walker<'_> {
    fn walk(&mut self) {
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'/', Some(b'/')) => {
                    let length = self.until(|rest| rest.first() == Some(&b'\n'));
                    self.take(length, false, false);
                }
                (b'/', Some(b'*')) => {
                    let length = self.block_comment();
                    self.take(length, false, false);
                }
                (b'"', _) => self.string(),
                (b'r', _) if !self.in_word() && self.raw_hashes().is_some() => self.raw_string(),
                (b'\'', _) => self.quote(),
                _ => self.take(1, true, true),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn rest(&self) -> &[u8] {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Copies bytes into the views, or blanks of the same length.
    fn take(&mut self, length: usize, text: bool, code: bool) {
        for _ in 0..length {
            let Some(byte) = self.peek(0) else { return };
            let keep = |wanted: bool| if wanted || byte == b'\n' { byte } else { b' ' };
            self.text.push(keep(text));
            self.code.push(keep(code));
            self.at += 1;
        }
    }

    fn until(&self, ends: impl Fn(&[u8]) -> bool) -> usize {
        let rest = self.rest();
        (0..rest.len()).find(|at| ends(rest.get(*at..).unwrap_or_default())).unwrap_or(rest.len())
    }

    fn in_word(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.source.get(at));
        // `br"…"` is a raw string too.
        before.is_some_and(|byte| byte.is_ascii_alphanumeric() && *byte != b'b' || *byte == b'_')
    }

    fn block_comment(&self) -> usize {
        let rest = self.rest();
        let (mut depth, mut at) = (0_usize, 0);
        while at < rest.len() {
            match rest.get(at..at + 2) {
                Some(b"/*") => (depth, at) = (depth + 1, at + 2),
                Some(b"*/") if depth == 1 => return at + 2,
                Some(b"*/") => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
        }
        rest.len()
    }

    fn string(&mut self) {
        self.take(1, true, true);
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => self.take(2, true, false),
                b'"' => return self.take(1, true, true),
                _ => self.take(1, true, false),
            }
        }
    }

    /// The number of `#` when a raw string begins here.
    fn raw_hashes(&self) -> Option<usize> {
        let hashes = self.rest().iter().skip(1).take_while(|byte| **byte == b'#').count();
        (self.peek(1 + hashes) == Some(b'"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or(0);
        self.take(2 + hashes, true, true);
        let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
        let inside = self.until(|rest| rest.starts_with(&end));
        self.take(inside, true, false);
        self.take(end.len(), true, true);
    }

    /// A character literal, or the mark of a lifetime.
    fn quote(&mut self) {
        let rest = self.rest();
        let length = if rest.get(1) == Some(&b'\\') {
            // `'\''`: the closing quote is the first one after the escaped byte.
            rest.iter().skip(3).position(|byte| *byte == b'\'').map(|at| at + 4)
        } else {
            let character = rest.get(1..).and_then(|rest| {
                let width = rest.utf8_chunks().next()?.valid().chars().next()?.len_utf8();
                (rest.get(width) == Some(&b'\'')).then_some(width)
            });
            character.map(|width| width + 2)
        };
        match length {
            Some(length) => {
                self.take(1, true, true);
                self.take(length - 2, true, false);
                self.take(1, true, true);
            }
            None => self.take(1, true, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_from_both_views_and_strings_from_the_code() {
        let views = views("a /* x /* y */ z */ b // c\n\"d \\\" // e\" f");
        assert_eq!(views.text, "a                   b     \n\"d \\\" // e\" f");
        assert_eq!(views.code, "a                   b     \n\"         \" f");
    }

    #[test]
    fn raw_strings_characters_and_lifetimes_are_told_apart() {
        let source = "r#\"a\" // \"# + br\"{\" + '\"' + '\\'' + 'é' + &'a str // gone";
        let code = views(source).code;
        assert!(!code.contains('{') && !code.contains("gone") && code.contains("'a str"), "{code}");
        assert_eq!(code.len(), source.len());
    }

    #[test]
    fn test_modules_are_blank_and_what_comes_after_stays() {
        let source =
            "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { let _ = \"}\"; } }\nfn c() {}\n";
        let views = views_without_tests(source);
        assert!(views.code.contains("fn c") && !views.code.contains("fn b"));
        assert_eq!(views.code.lines().count(), source.lines().count());
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_hides_nothing() {
        let source = "#[cfg(test)]\nmod tests;\n\nfn kept() { }\n";
        assert!(views_without_tests(source).code.contains("kept"));
    }
}
