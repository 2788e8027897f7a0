//! YAML text to trees, one a document, with the bounds that make a hostile file harmless.
//!
//! We build the tree from the parser's events ourselves, because a config reader needs what a
//! general YAML tree does not keep: duplicate keys with both places, keys that are plain words,
//! merge keys, and an upper bound on what aliases unfold to.

use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError};

use crate::complaint::{Code, Complaint, Note};
use crate::text::{Span, Text};
use crate::tree::{Body, Entry, Node, Scalar};

/// How deep lists and mappings may nest.
const DEPTH_MAX: usize = 64;
/// How many values a file may hold after its aliases are unfolded.
const VALUES_MAX: usize = 400_000;
/// How many documents a file may hold.
const DOCUMENTS_MAX: usize = 256;

/// Reads every document of a file. A document that is broken is left out and complained about;
/// the ones after it are still read.
pub(crate) fn read(text: &Text, complaints: &mut Vec<Complaint>) -> Vec<Node> {
    let mut options = Options::default();
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let mut parser = Parser::new_from_str_with_options(text.as_str(), options);
    let mut builder = Builder::new(text, complaints);
    let mut documents = Vec::new();
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or_default();
                builder.take(event, Span { start: range.start, end: range.end });
                if let Some(document) = builder.finished.take() {
                    documents.push(document);
                }
            }
            Err(error) => {
                builder.complain_scan(&error);
                builder.forget_document();
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
        if builder.spent || documents.len() > DOCUMENTS_MAX {
            builder.too_large();
            return Vec::new();
        }
    }
    documents
}

struct Builder<'a> {
    text: &'a Text,
    complaints: &'a mut Vec<Complaint>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    finished: Option<Node>,
    values: usize,
    spent: bool,
    /// Where the last event stood.
    last: Span,
    document_ok: bool,
}

/// A list or mapping that is not closed yet.
struct Open {
    start: Span,
    anchor: usize,
    body: OpenBody,
}

enum OpenBody {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, merges: Vec<Node>, key: Option<(String, Span)> },
}

impl<'a> Builder<'a> {
    fn new(text: &'a Text, complaints: &'a mut Vec<Complaint>) -> Self {
        Self {
            text,
            complaints,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            finished: None,
            values: 0,
            spent: false,
            last: Span::default(),
            document_ok: true,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) {
        self.last = span;
        match event {
            Event::DocumentStart(..) => self.forget_document(),
            Event::Scalar(value, style, anchor, tag) => {
                let mut plain = style == ScalarStyle::Plain;
                if let Some(tag) = tag {
                    if tag.is_yaml_core_schema_tag("str") {
                        plain = false;
                    } else {
                        let said = format!("the tag `{}` is not used in manifests", tag.original());
                        self.complain(Code::Syntax, span, said, "remove it");
                    }
                }
                let body = Body::Scalar(Scalar::written(value.into_owned(), plain));
                self.put(Node { span, body, flawed: false }, anchor);
            }
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => {
                    self.values += count(&node);
                    self.put(node, 0);
                }
                None => {
                    let said = "the anchor contains the alias to itself";
                    self.complain(Code::BadAlias, span, said, "write the value out");
                    self.put(null(span), 0);
                }
            },
            Event::UnresolvedAlias(name) => {
                let said = format!("no anchor `&{name}` stands before this alias");
                let help = "put a text that begins with `*` in quotes";
                self.complain(Code::BadAlias, span, said, help);
                self.put(null(span), 0);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { start: span, anchor, body: OpenBody::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, _) => {
                let body = OpenBody::Map { entries: Vec::new(), merges: Vec::new(), key: None };
                self.open.push(Open { start: span, anchor, body });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            // Start and end of the stream and of documents, comments, and what the parser may
            // add to its events later: none of them is a value.
            _ => {}
        }
    }

    fn close(&mut self, end: Span) {
        let Some(open) = self.open.pop() else { return };
        let body = match open.body {
            OpenBody::List(items) => Body::List(items),
            OpenBody::Map { mut entries, merges, .. } => {
                for merged in merges {
                    self.merge(&mut entries, merged);
                }
                Body::Map(entries)
            }
        };
        let span = Span { start: open.start.start, end: end.end.max(open.start.end) };
        self.put(Node { span, body, flawed: false }, open.anchor);
    }

    /// A finished value goes where the innermost open collection wants it.
    fn put(&mut self, node: Node, anchor: usize) {
        self.values += 1;
        if self.values > VALUES_MAX {
            self.spent = true;
            return;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            // A broken key or alias was complained about: the document is not used.
            if self.document_ok {
                self.finished = Some(node);
            }
            return;
        };
        match &mut open.body {
            OpenBody::List(items) => items.push(node),
            OpenBody::Map { entries, merges, key } => match key.take() {
                None => {
                    let name = node.scalar().map(|scalar| scalar.text.clone());
                    let span = node.span;
                    *key = Some((name.clone().unwrap_or_default(), span));
                    if name.is_none() {
                        let said = "a key must be a plain word";
                        let help = "put a text that begins with `{` or `[` in quotes";
                        self.complain(Code::Syntax, span, said, help);
                    }
                }
                Some((name, _)) if name == "<<" => merges.push(node),
                Some((name, key_span)) => match entries.iter().find(|it| it.key == name) {
                    None => entries.push(Entry { key: name, key_span, node }),
                    Some(first) => {
                        let first = first.key_span;
                        self.complain_duplicate(&name, key_span, first);
                    }
                },
            },
        }
    }

    /// `<<: *anchor` and `<<: [*one, *two]`: keys that stand here already win.
    fn merge(&mut self, entries: &mut Vec<Entry>, merged: Node) {
        match merged.body {
            Body::Map(more) => {
                for entry in more {
                    if !entries.iter().any(|it| it.key == entry.key) {
                        entries.push(entry);
                    }
                }
            }
            Body::List(items) if items.iter().all(|it| matches!(it.body, Body::Map(_))) => {
                for item in items {
                    self.merge(entries, item);
                }
            }
            Body::List(_) | Body::Scalar(_) => {
                let help = "write `<<: *anchor` or `<<: [*one, *two]`";
                self.complain(Code::BadAlias, merged.span, "only a mapping can be merged", help);
            }
        }
    }

    fn forget_document(&mut self) {
        self.open.clear();
        self.anchors.clear();
        self.finished = None;
        self.document_ok = true;
    }

    fn complain(&mut self, code: Code, span: Span, message: impl Into<String>, help: &str) {
        self.document_ok = false;
        let place = self.text.place(span);
        self.complaints.push(Complaint::error(code, message).place(place).help(help));
    }

    fn complain_duplicate(&mut self, name: &str, span: Span, first: Span) {
        self.complain(
            Code::DuplicateKey,
            span,
            format!("the key `{name}` stands twice"),
            "keep one of the two",
        );
        let place = Some(self.text.place(first));
        if let Some(complaint) = self.complaints.last_mut() {
            complaint.notes.push(Note { message: "first here".to_owned(), place });
        }
    }

    fn complain_scan(&mut self, error: &ScanError) {
        let at = error.marker().byte_offset().unwrap_or_default();
        let (said, mut help) = explain(error);
        // `[${NAME}]` is what people write first; the brace then opens a mapping.
        if self.text.as_str().get(..at).is_some_and(|before| before.ends_with('$')) {
            help = "inside `[…]` and `{…}`, put a value with `${…}` in quotes";
        }
        self.complain(Code::Syntax, Span { start: at, end: at + 1 }, said, help);
    }

    fn too_large(&mut self) {
        let span = self.last;
        let said = "from here on there is more than a manifest may hold";
        let help = "a file may hold 400,000 values, aliases unfolded, and 256 documents";
        self.complain(Code::TooLarge, span, said, help);
    }
}

/// The parser's words where they help, ours where a person would ask "and now?".
fn explain(error: &ScanError) -> (String, &'static str) {
    let (said, help) = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => ("a tab cannot indent", "use spaces"),
        ErrorKind::UnclosedFlowCollection { open } => {
            return (format!("this `{open}` is not closed"), "close it, or indent what follows");
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let said = format!("a value cannot begin with {character:?}");
            return (said, "put the value in quotes");
        }
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            ("the quoted text is not closed", "add the closing quote; indent its further lines")
        }
        ErrorKind::UnknownQuotedScalarEscape => {
            ("unknown escape in a double-quoted text", "double the backslash, or use single quotes")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => (
            "a `:` cannot stand here",
            "check the indentation, or put a value that contains `: ` in quotes",
        ),
        ErrorKind::MisplacedFlowCollectionEnd => ("this bracket closes nothing", "remove it"),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => (
            "this line does not continue what stands above it",
            "align it with its neighbours: all items of a list, or all keys",
        ),
        ErrorKind::RecursionLimitExceeded => {
            ("lists and mappings nest too deep", "at most 64 levels are read")
        }
        _ => return (error.info(), "see https://yaml.org/spec/1.2.2/"),
    };
    (said.to_owned(), help)
}

fn null(span: Span) -> Node {
    Node { span, body: Body::Scalar(Scalar::written(String::new(), true)), flawed: false }
}

fn count(node: &Node) -> usize {
    1 + node.items().iter().map(count).sum::<usize>()
        + node.entries().iter().map(|entry| count(&entry.node)).sum::<usize>()
}
