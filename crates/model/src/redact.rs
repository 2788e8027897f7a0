//! Keeps secrets out of everything observable: applied to an event before it is recorded.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::event::Event;

/// What stands where a secret stood.
pub const REDACTED: &str = "***";

/// Shorter values are not looked for: they would turn up by chance in ordinary words.
const SECRET_BYTES_MIN: usize = 4;

/// Replaces known secret values, wherever they occur.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    find: Option<AhoCorasick>,
    count: usize,
    line_bytes_max: usize,
}

impl Redactor {
    /// A redactor of these values and of their percent-encoded forms. Values of fewer than four
    /// bytes are ignored.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms: Vec<String> = Vec::new();
        for secret in secrets.into_iter().filter(|it| it.len() >= SECRET_BYTES_MIN) {
            // A secret of several lines shows up line by line.
            let lines = secret.lines().map(str::trim).filter(|it| it.len() >= SECRET_BYTES_MIN);
            for form in lines.chain([secret]) {
                forms.push(form.to_owned());
                forms.push(percent_encoded(form));
                forms.push(json_escaped(form));
            }
        }
        forms.sort();
        forms.dedup();
        let find = (!forms.is_empty())
            .then(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms));
        let in_a_line = forms.iter().filter(|it| !it.contains('\n'));
        let line_bytes_max = in_a_line.map(String::len).max().unwrap_or(0);
        Self { find: find.and_then(Result::ok), count: forms.len(), line_bytes_max }
    }

    /// The longest secret that can stand in one line, in bytes: who cuts a line must have read so
    /// much beyond the cut to know that no secret lies across it.
    #[must_use]
    pub fn line_bytes_max(&self) -> usize {
        self.line_bytes_max
    }

    /// Where to cut `line`, at `cut` or near it, so that no secret is cut in two and slips through
    /// in halves: before the secret that lies across, or behind it when the line begins with it.
    #[must_use]
    pub fn cut(&self, line: &[u8], cut: usize) -> usize {
        let Some(find) = &self.find else { return cut };
        let mut found = find.find_iter(line).take_while(|it| it.start() < cut);
        match found.find(|it| it.end() > cut) {
            Some(across) if across.start() > 0 => across.start(),
            Some(across) => across.end(),
            None => cut,
        }
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The text without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.clean(&mut text);
        text
    }

    /// Takes the secrets out of every text of the event.
    pub fn event(&self, event: &mut Event) {
        if self.is_empty() {
            return;
        }
        for line in event.log.iter_mut() {
            if self.clean(&mut line.text) {
                // The exact bytes hold what the text no longer says.
                line.base64 = None;
            }
        }
        texts_of(event).for_each(|text| {
            self.clean(text);
        });
    }

    fn clean(&self, text: &mut String) -> bool {
        let Some(find) = &self.find else { return false };
        if !find.is_match(text.as_str()) {
            return false;
        }
        let mut cleaned = String::with_capacity(text.len());
        find.replace_all_with(text, &mut cleaned, |_, _, to| {
            to.push_str(REDACTED);
            true
        });
        *text = cleaned;
        true
    }
}

/// Every text of the event that people or programs wrote, apart from the log line.
fn texts_of(event: &mut Event) -> impl Iterator<Item = &mut String> {
    let nodes = event.graph.iter_mut().flat_map(|it| &mut it.nodes);
    let graph = nodes.flat_map(|node| {
        let assets = node.inputs.iter_mut().chain(&mut node.outputs);
        let names = assets.flat_map(|it| [&mut it.namespace, &mut it.name]);
        names.chain(&mut node.action.argv).chain([&mut node.action.name])
    });
    let action = event.action.iter_mut().flat_map(|it| it.argv.iter_mut().chain([&mut it.name]));
    let error = event.error.iter_mut().flat_map(|it| it.hint.iter_mut().chain([&mut it.detail]));
    let assets = event.inputs.iter_mut().chain(&mut event.outputs);
    let assets = assets.flat_map(|it| [&mut it.namespace, &mut it.name]);
    let ledger = event.ledger.iter_mut().flat_map(|it| [&mut it.table, &mut it.sink]);
    graph
        .chain(action)
        .chain(error)
        .chain(assets)
        .chain(ledger)
        .chain(&mut event.asset_id)
        .chain(event.attributes.values_mut())
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::Redactor;

    #[test]
    fn secrets_go_in_every_form() {
        let redactor = Redactor::new(["p@ss/word", "abc"]);
        assert_eq!(
            redactor.text("postgres://me:p%40ss%2Fword@db and p@ss/word but abc"),
            "postgres://me:***@db and *** but abc"
        );
    }

    #[test]
    fn a_line_is_cut_beside_a_secret_and_never_through_it() {
        let redactor = Redactor::new(["hunter22", "first\nsecond line"]);
        assert_eq!(redactor.line_bytes_max(), "first%0Asecond%20line".len());
        for cut in 3..=11 {
            let expected = if cut < 11 { 3 } else { 11 };
            assert_eq!(redactor.cut(b"ab hunter22 c", cut), expected, "{cut}");
        }
        assert_eq!(redactor.cut(b"hunter22 c", 4), 8);
        assert_eq!(Redactor::default().cut(b"hunter22 c", 4), 4);
    }

    #[test]
    fn the_longest_secret_wins() {
        assert_eq!(Redactor::new(["hunter", "hunter22"]).text("hunter22!"), "***!");
    }
}
