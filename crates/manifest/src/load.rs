//! The way in: files to plans and complaints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use flowglass_model::ErrorClass;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::build::{Context, build, build_stream};
use crate::check::check;
use crate::complaint::{Code, Complaint, Place, Severity};
use crate::doc::{Doc, Reporter};
use crate::expand::{Inputs, Lookup, expand};
use crate::kind::Kind;
use crate::nearest::nearest;
use crate::path::Path;
use crate::plan::{Plan, StreamPlan};
use crate::schema::Vocabulary;
use crate::secret::{STARS, Secrets};
use crate::text::{Span, Text};
use crate::tree::{Body, Core, Node};
use crate::yaml;

/// The `apiVersion` that is read.
const API_VERSION: &str = "flowglass/v1";
/// Shorter secrets are not looked for in messages: they would turn up by chance.
const SECRET_BYTES_MIN: usize = 4;

/// A manifest file, read by the caller.
#[derive(Clone, Debug)]
pub struct ManifestFile {
    /// What complaints call it: the path as the user gave it.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
    /// Its folder, which relative paths start from.
    pub base_dir: PathBuf,
}

/// What checking needs besides the files.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The connectors of the program.
    pub vocabulary: &'a Vocabulary,
    /// Where variables and files come from.
    pub lookup: &'a dyn Lookup,
    /// Values of `--param name=value`.
    pub params: &'a BTreeMap<String, String>,
    /// How grave it is that a variable, a file of `${file:…}` or a parameter has no value. With
    /// `Warning` the rest is checked as far as it can be, and no plan is made: for `validate` on a
    /// machine without the secrets.
    pub missing: Severity,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Parameters may be secret; the lookup certainly knows secrets.
        f.debug_struct("Options").field("missing", &self.missing).finish_non_exhaustive()
    }
}

/// What came of the files.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The plan of every workflow that has no error, in the order of the files.
    pub plans: Vec<Plan>,
    /// The plan of every stream that has no error, in the order of the files.
    pub streams: Vec<StreamPlan>,
    /// Every complaint, by file and place.
    pub complaints: Vec<Complaint>,
}

/// What there is to run, when nothing is wrong.
#[derive(Clone, Debug)]
pub struct Pipelines {
    /// The workflows.
    pub plans: Vec<Plan>,
    /// The streams.
    pub streams: Vec<StreamPlan>,
    /// What is probably not what was meant.
    pub warnings: Vec<Complaint>,
}

/// Manifests that cannot be run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the manifest cannot be used: {}", counted(.complaints))]
pub struct Refused {
    /// Why, warnings included.
    pub complaints: Vec<Complaint>,
}

impl Refused {
    /// What kind of error this is.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::Config
    }
}

impl Loaded {
    /// Whether anything stops the manifests from being run.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.complaints.iter().any(|it| it.severity == Severity::Error)
    }

    /// The plans of workflows and the warnings, unless there is an error. Streams are left out: see
    /// [`Loaded::into_pipelines`].
    ///
    /// # Errors
    /// [`Refused`] with every complaint when at least one is an error.
    pub fn into_plans(self) -> Result<(Vec<Plan>, Vec<Complaint>), Refused> {
        self.into_pipelines().map(|all| (all.plans, all.warnings))
    }

    /// All plans and the warnings, unless there is an error.
    ///
    /// # Errors
    /// [`Refused`] with every complaint when at least one is an error.
    pub fn into_pipelines(self) -> Result<Pipelines, Refused> {
        if self.has_errors() {
            return Err(Refused { complaints: self.complaints });
        }
        let Self { plans, streams, complaints } = self;
        Ok(Pipelines { plans, streams, warnings: complaints })
    }
}

fn counted(complaints: &[Complaint]) -> String {
    match complaints.iter().filter(|it| it.severity == Severity::Error).count() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    }
}

/// Checks manifest files and makes their plans. Never panics, whatever the bytes.
#[must_use]
pub fn load(files: &[ManifestFile], options: &Options<'_>) -> Loaded {
    let mut all = Everything::new(options);
    for file in files {
        all.file(file);
    }
    all.complain_params();
    Loaded { plans: all.plans, streams: all.streams, complaints: all.complaints }
}

/// What is known across files.
struct Everything<'a> {
    options: &'a Options<'a>,
    plans: Vec<Plan>,
    streams: Vec<StreamPlan>,
    complaints: Vec<Complaint>,
    /// Names of pipelines, with where they stand.
    names: BTreeMap<(String, String), Place>,
    declared: BTreeSet<String>,
    all_read: bool,
}

impl<'a> Everything<'a> {
    fn new(options: &'a Options<'a>) -> Self {
        Self {
            options,
            plans: Vec::new(),
            streams: Vec::new(),
            complaints: Vec::new(),
            names: BTreeMap::new(),
            declared: BTreeSet::new(),
            all_read: true,
        }
    }

    fn file(&mut self, file: &ManifestFile) {
        let text = match Text::decode(&file.name, &file.bytes) {
            Ok(text) => text,
            Err(complaint) => {
                self.all_read = false;
                return self.complaints.push(*complaint);
            }
        };
        let mut broken = Vec::new();
        let mut documents = yaml::read(&text, &mut broken);
        documents.retain(|it| it.scalar().is_none_or(|scalar| scalar.core() != Core::Null));
        if documents.is_empty() && broken.is_empty() {
            let said = format!("{} holds no manifest", file.name);
            let help = "begin with `apiVersion: flowglass/v1` and `kind: Workflow`";
            broken.push(Complaint::error(Code::Empty, said).help(help));
        }
        self.all_read &= broken.is_empty();
        text.fill(&mut broken, &[]);
        let mut found = broken;
        for root in documents {
            self.document(&text, root, file, &mut found);
        }
        found
            .sort_by_key(|it| it.place.as_ref().map_or((0, 0), |place| (place.line, place.column)));
        self.complaints.extend(found);
    }

    fn document(
        &mut self,
        text: &Text,
        mut root: Node,
        file: &ManifestFile,
        found: &mut Vec<Complaint>,
    ) {
        let mut report = Reporter::new(text);
        if !is_ours(&root, &mut report) {
            self.all_read = false;
            text.fill(&mut report.complaints, &[]);
            return found.append(&mut report.complaints);
        }
        let digest = digest(&root);
        let inputs = Inputs {
            lookup: self.options.lookup,
            params: self.options.params,
            base_dir: &file.base_dir,
            missing: self.options.missing,
        };
        let expanded = expand(&mut root, &mut report, &inputs);
        self.declared.extend(expanded.params.keys().cloned());
        let kind = Kind::of(&root);
        check(&mut root, self.options.vocabulary.schema(), kind.def(), &mut report);
        let mut doc = Doc { root, report, secrets: expanded.secrets };
        self.claim_name(&mut doc);
        let context = Context {
            vocabulary: self.options.vocabulary,
            params: expanded.params,
            base_dir: file.base_dir.clone(),
            digest,
        };
        match kind {
            Kind::Workflow => self.plans.extend(build(&mut doc, context)),
            Kind::Stream => self.streams.extend(build_stream(&mut doc, context)),
        }
        let mut complaints = doc.report.complaints;
        text.fill(&mut complaints, &expanded.hidden);
        for complaint in &mut complaints {
            redact(complaint, &doc.secrets);
        }
        found.append(&mut complaints);
    }

    /// A pipeline's name is its identity: two of one tenant cannot share it.
    fn claim_name(&mut self, doc: &mut Doc<'_>) {
        let path = Path::root().key("metadata");
        let word = |key: &str| doc.root.at(&path.key(key)).and_then(Node::text).map(str::to_owned);
        let Some(name) = word("name") else { return };
        let tenant = word("tenant").unwrap_or_else(|| "default".to_owned());
        let mut place = doc.report.text.place(doc.span(&path.key("name")));
        let mut shown = [Complaint::error(Code::Internal, "").place(place.clone())];
        doc.report.text.fill(&mut shown, &[]);
        if let [Complaint { place: Some(filled), .. }] = shown {
            place = filled;
        }
        match self.names.get(&(tenant.clone(), name.clone())) {
            None => drop(self.names.insert((tenant, name), place)),
            Some(first) => {
                let said = format!("the pipeline `{name}` of tenant `{tenant}` is defined twice");
                doc.error(Code::DuplicatePipeline, &path.key("name"), said)
                    .advise("give each pipeline a name of its own")
                    .note("the first is here", first.clone());
            }
        }
    }

    /// A misspelt `--param` would otherwise silently change nothing.
    fn complain_params(&mut self) {
        if !self.all_read {
            return;
        }
        for name in self.options.params.keys().filter(|name| !self.declared.contains(*name)) {
            let said = format!("no manifest here declares the parameter `{name}`");
            let help = match nearest(name, self.declared.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `--param {near}=…`?"),
                None => "declare it under `spec.params`, or leave it out".to_owned(),
            };
            self.complaints.push(Complaint::error(Code::UnknownParam, said).help(help));
        }
    }
}

/// Whether this document is one that this version reads; complains when it is not.
fn is_ours(root: &Node, report: &mut Reporter<'_>) -> bool {
    let path = Path::root();
    if !matches!(root.body, Body::Map(_)) {
        let span = Span { start: root.span.start, end: root.span.start };
        report
            .error(Code::WrongType, span, &path, "a manifest is a mapping of keys and values")
            .advise("begin with `apiVersion: flowglass/v1` and `kind: Workflow`");
        return false;
    }
    if let Some(version) = root.get("apiVersion")
        && let Some(text) = version.text().filter(|text| *text != API_VERSION)
    {
        let said = format!("this version of flowglass does not read `apiVersion: {text}`");
        report
            .error(Code::UnsupportedVersion, version.span, &path.key("apiVersion"), said)
            .advise(format!("write `apiVersion: {API_VERSION}`"));
        return false;
    }
    true
}

/// See [`Plan::digest`].
fn digest(root: &Node) -> String {
    let mut text = String::new();
    canonical(&root.value(false), "", &mut text);
    let digest = Sha256::digest(text.as_bytes());
    let hex: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

/// JSON with sorted keys, and with nodes and sinks, whose order says nothing, in that of their text.
fn canonical(value: &Value, path: &str, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for key in keys {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                if let Some(value) = map.get(key) {
                    let path =
                        if path.len() < 20 { format!("{path}/{key}") } else { String::from("…") };
                    canonical(value, &path, out);
                }
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            let mut parts: Vec<String> = items
                .iter()
                .map(|item| {
                    let mut part = String::new();
                    canonical(item, "…", &mut part);
                    part
                })
                .collect();
            if matches!(path, "/spec/nodes" | "/spec/sinks") {
                parts.sort();
            }
            out.push('[');
            out.push_str(&parts.join(","));
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The last net: no message quotes a secret, whoever wrote the message.
fn redact(complaint: &mut Complaint, secrets: &Secrets) {
    for secret in secrets.expose().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
        let notes = complaint.notes.iter_mut().map(|note| &mut note.message);
        let texts = [&mut complaint.message, &mut complaint.path].into_iter();
        for text in texts.chain(complaint.help.as_mut()).chain(notes) {
            if text.contains(secret) {
                *text = text.replace(secret, STARS);
            }
        }
    }
}
