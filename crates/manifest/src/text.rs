//! The text of one manifest file, and from bytes in it to lines and columns for people.

use crate::complaint::{Code, Complaint, Place};

/// The largest manifest file that is read.
pub(crate) const SOURCE_BYTES_MAX: usize = 4 << 20;

/// A half-open range of bytes in a [`Text`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte.
    pub(crate) start: usize,
    /// First byte after it.
    pub(crate) end: usize,
}

/// A decoded file.
#[derive(Debug)]
pub(crate) struct Text {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl Text {
    /// Decodes a file: UTF-8 with or without a byte order mark.
    pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Self, Box<Complaint>> {
        if bytes.len() > SOURCE_BYTES_MAX {
            let said = format!("{name} has {} bytes; a manifest may have 4 MiB", bytes.len());
            return Err(Box::new(
                Complaint::error(Code::TooLarge, said).help("split it into several files"),
            ));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let said = format!("{name} is encoded as UTF-16");
            return Err(Box::new(
                Complaint::error(Code::NotUtf8, said).help("save the file as UTF-8"),
            ));
        }
        let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(name, text.to_owned())),
            Err(error) => {
                // Shown with the replacement character, so that the place can be found by eye.
                let shown = Self::new(name, String::from_utf8_lossy(bytes).into_owned());
                let start = error.valid_up_to();
                let end = start + '\u{fffd}'.len_utf8();
                let byte = bytes.get(start).copied().unwrap_or_default();
                let said = format!("the byte 0x{byte:02x} is not UTF-8");
                let mut complaint = Complaint::error(Code::NotUtf8, said)
                    .place(shown.place(Span { start, end }))
                    .help("save the file as UTF-8");
                shown.fill(std::slice::from_mut(&mut complaint), &[]);
                Err(Box::new(complaint))
            }
        }
    }

    fn new(name: &str, text: String) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(starts.map(|(at, _)| at + 1)).collect();
        Self { name: name.to_owned(), text, line_starts }
    }

    /// The whole text, without a byte order mark.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Line, column and width of a span. The line's words are added by [`Text::fill`].
    pub(crate) fn place(&self, span: Span) -> Place {
        let start = self.floor(span.start);
        let line = self.line_starts.partition_point(|at| *at <= start).max(1);
        let line_start = self.line_start(line);
        let line_end = line_start + self.line(line).len();
        let end = self.floor(span.end).clamp(start, line_end.max(start));
        let count = |from: usize, to: usize| {
            let characters = self.text.get(from..to).map_or(0, |part| part.chars().count());
            u32::try_from(characters).unwrap_or(u32::MAX)
        };
        Place {
            file: self.name.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: count(line_start, start).saturating_add(1),
            width: count(start, end).max(1),
            text: String::new(),
        }
    }

    /// Gives every place its source line, with the bytes of `hidden` starred out.
    pub(crate) fn fill(&self, complaints: &mut [Complaint], hidden: &[Span]) {
        for complaint in complaints {
            let notes = complaint.notes.iter_mut().filter_map(|note| note.place.as_mut());
            for place in complaint.place.iter_mut().chain(notes) {
                place.text = self.shown_line(place.line as usize, hidden);
            }
        }
    }

    fn shown_line(&self, line: usize, hidden: &[Span]) -> String {
        let start = self.line_start(line);
        let mut shown = String::new();
        for (offset, character) in self.line(line).char_indices() {
            let at = start + offset;
            let is_hidden = hidden.iter().any(|span| span.start <= at && at < span.end);
            shown.push(if is_hidden { '*' } else { character });
        }
        crate::secret::star_line(&shown)
    }

    fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    fn line(&self, line: usize) -> &str {
        let start = self.line_start(line);
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r'])
    }

    /// The nearest character boundary at or before `at`.
    fn floor(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}
