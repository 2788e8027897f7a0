//! `LIKE` and `ILIKE`: a pattern taken apart once, and matched without copying a text.

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    folded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// `%`: any characters.
    Many,
    /// `_`: one character.
    One,
    /// That character.
    Character(char),
}

impl Pattern {
    /// Takes a pattern apart; `folded` for `ILIKE`. `None` when it ends in its escape character.
    pub(super) fn new(text: &str, escape: Option<char>, folded: bool) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let piece = match character {
                _ if Some(character) == escape => Piece::Character(characters.next()?),
                '%' => Piece::Many,
                '_' => Piece::One,
                _ => Piece::Character(character),
            };
            let piece = match piece {
                Piece::Character(character) if folded => Piece::Character(fold(character)),
                piece => piece,
            };
            if piece != Piece::Many || pieces.last() != Some(&Piece::Many) {
                pieces.push(piece);
            }
        }
        Some(Self { pieces, folded })
    }

    /// Whether a text fits. After a mismatch it goes on one character behind the last `%`'s first try,
    /// which is enough, since a later `%` can take whatever an earlier one could.
    pub(super) fn fits(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut of = 0;
        let mut retry = None;
        loop {
            let mut after = rest.clone();
            let next = after.next();
            match self.pieces.get(of) {
                Some(Piece::Many) => {
                    of += 1;
                    retry = Some((rest.clone(), of));
                    continue;
                }
                Some(Piece::One) if next.is_some() => {
                    rest = after;
                    of += 1;
                    continue;
                }
                Some(Piece::Character(wanted)) if next.is_some_and(|it| self.same(it, *wanted)) => {
                    rest = after;
                    of += 1;
                    continue;
                }
                None if next.is_none() => return true,
                _ => {}
            }
            let Some((mut tried, behind)) = retry else { return false };
            if tried.next().is_none() {
                return false;
            }
            rest = tried.clone();
            of = behind;
            retry = Some((tried, behind));
        }
    }

    fn same(&self, character: char, wanted: char) -> bool {
        character == wanted || (self.folded && fold(character) == wanted)
    }
}

/// A character's lower case where that is one character, which it nearly always is.
fn fold(character: char) -> char {
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_text_fits_a_pattern() {
        for (pattern, text, wanted) in [
            ("paid", "paid", true),
            ("paid", "paid ", false),
            ("%@example.com", "a@example.com", true),
            ("%@example.com", "a@example.com.org", false),
            ("_", "ä", true),
            ("__", "ä", false),
            ("a%b%c", "a-bb-c", true),
            ("a%b%c", "a-c-b", false),
            ("%", "", true),
            ("", "", true),
            ("", "x", false),
            ("100\\%", "100%", true),
            ("100\\%", "1000", false),
            ("%%x%%", "axb", true),
            ("%aab", "aaab", true),
        ] {
            let like = Pattern::new(pattern, Some('\\'), false).unwrap();
            assert_eq!(like.fits(text), wanted, "{pattern} {text}");
        }
        assert!(Pattern::new("ÄB%", None, true).unwrap().fits("äBc"));
        assert!(!Pattern::new("ÄB%", None, false).unwrap().fits("äBc"));
        assert_eq!(Pattern::new("a\\", Some('\\'), false), None);
    }
}
