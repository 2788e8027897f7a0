//! What stands beside the nodes: schedule, retries, objectives, environment, names.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::TimeZoneDatabase;

use crate::complaint::Code;
use crate::doc::Doc;
use crate::draft::{RetryDraft, SloDraft, SpecDraft};
use crate::nearest::nearest;
use crate::path::Path;
use crate::plan::{Backoff, Schedule, Slo};
use crate::secret::GuardedText;
use crate::tree::Node;

use super::builder::{Context, duration, positive};

/// The names and rules of time zones that are part of the program: checking reads no file.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Checks the cron expression and the time zone.
pub(super) fn schedule(doc: &mut Doc<'_>, spec: &SpecDraft) -> Option<Schedule> {
    let path = Path::root().key("spec");
    let zone = spec.timezone.as_deref();
    if let Some(zone) = zone.filter(|zone| ZONES.get(zone).is_err()) {
        let names: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
        let help = match nearest(zone, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "use a name such as `UTC` or `Europe/Berlin`".to_owned(),
        };
        let said = format!("there is no time zone `{zone}`");
        doc.error(Code::BadSchedule, &path.key("timezone"), said).advise(help);
    }
    let Some(cron) = spec.schedule.as_deref() else {
        if zone.is_some() && !doc.has(&path.key("schedule")) {
            let said = "`timezone` without `schedule` has no effect";
            doc.warn_at_key(Code::NoEffect, &path.key("timezone"), said).advise("remove it");
        }
        return None;
    };
    let parser = croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Optional)
        .year(croner::parser::Year::Disallowed)
        .build();
    if let Err(error) = parser.parse(cron) {
        let why = error.to_string();
        let why = why.trim_end_matches('.');
        let said = format!("`{cron}` is no cron expression: {}", crate::check::lower_first(why));
        doc.error(Code::BadSchedule, &path.key("schedule"), said)
            .advise("write minute, hour, day of month, month, day of week: `*/15 * * * *`");
        return None;
    }
    let timezone = zone.unwrap_or("UTC").to_owned();
    Some(Schedule { cron: cron.to_owned(), timezone })
}

/// Reads the objectives.
pub(super) fn slo(doc: &mut Doc<'_>, draft: Option<&SloDraft>) -> Slo {
    let Some(draft) = draft else { return Slo::default() };
    let path = Path::root().key("spec").key("slo");
    Slo {
        freshness: positive(doc, draft.freshness.as_ref(), &path.key("freshness")),
        duration_p95: positive(doc, draft.duration_p95.as_ref(), &path.key("duration_p95")),
        success_ratio: draft.success_ratio,
    }
}

/// A node's retry on top of the pipeline's.
pub(super) fn retry(
    doc: &mut Doc<'_>,
    general: Option<&RetryDraft>,
    own: Option<&RetryDraft>,
    node: &Path,
) -> Backoff {
    let defaults = Backoff::default();
    let (nothing, general_path, own_path) =
        (RetryDraft::default(), Path::root().key("spec").key("retry"), node.key("retry"));
    let (general, own) = (general.unwrap_or(&nothing), own.unwrap_or(&nothing));
    let mut pause = |own: Option<_>, general: Option<_>, key: &str| -> Option<(Duration, Path)> {
        let path = if own.is_some() { own_path.key(key) } else { general_path.key(key) };
        duration(doc, own.or(general), &path).map(|pause| (pause, path))
    };
    let first = pause(own.backoff.as_ref(), general.backoff.as_ref(), "backoff");
    let longest = pause(own.max_backoff.as_ref(), general.max_backoff.as_ref(), "max_backoff");
    if let (Some((first, _)), Some((longest, path))) = (&first, &longest)
        && first > longest
    {
        doc.error(Code::BadRetry, path, "`max_backoff` is shorter than `backoff`")
            .advise("make it at least as long");
    }
    let first = first.map_or(defaults.first, |(pause, _)| pause);
    Backoff {
        max_attempts: own.max_attempts.or(general.max_attempts).unwrap_or(defaults.max_attempts),
        first: longest.as_ref().map_or(first, |(longest, _)| first.min(*longest)),
        longest: longest.map_or(defaults.longest.max(first), |(pause, _)| pause),
        jitter: own.jitter.or(general.jitter).unwrap_or(defaults.jitter),
        on: own.on.as_ref().or(general.on.as_ref()).map(|on| on.iter().copied().collect()),
    }
}

/// Environment variables: names that a shell can name, values with their secrets known.
pub(super) fn environment(doc: &mut Doc<'_>, path: &Path) -> BTreeMap<String, GuardedText> {
    let entries = doc.root.at(path).map_or(&[][..], Node::entries);
    let names: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    let mut environment = BTreeMap::new();
    for name in names {
        let at = path.key(&name);
        if !is_variable(&name) {
            let said = format!("`{name}` cannot name an environment variable");
            doc.error_at_key(Code::BadFormat, &at, said)
                .advise("use letters, digits and `_`; begin with a letter or `_`");
        }
        environment.insert(name, doc.guarded(&at));
    }
    environment
}

/// Names under `params` and `secrets`, and values that are not allowed.
pub(super) fn check_names(doc: &mut Doc<'_>, context: &Context<'_>, secrets: &[String]) {
    let path = Path::root().key("spec");
    for (position, name) in secrets.iter().enumerate() {
        let at = path.key("secrets").index(position);
        match name.strip_prefix("param.") {
            Some(param) if context.params.contains_key(param) => {}
            Some(param) => {
                let said = format!("no parameter `{param}` is declared");
                doc.error(Code::UnknownParam, &at, said).advise("declare it under `spec.params`");
            }
            None if is_variable(name) => {}
            None => {
                let said = format!("`{}` cannot name a variable", crate::check::clipped(name));
                doc.error(Code::BadFormat, &at, said)
                    .advise("give the name of a variable, such as `SHOP_DSN`, not its value");
            }
        }
    }
    for (name, param) in &context.params {
        let at = path.key("params").key(name);
        if !name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.')) {
            let said = format!("`{name}` cannot name a parameter");
            doc.error_at_key(Code::BadFormat, &at, said).advise("use letters, digits, `_` and `-`");
        }
        let allowed = doc.root.at(&at.key("allowed")).map_or(&[][..], Node::items);
        let allowed: Vec<&str> = allowed.iter().filter_map(Node::text).collect();
        let Some(value) = param.value.as_deref() else { continue };
        if allowed.is_empty() || allowed.contains(&value) {
            continue;
        }
        let shown = if param.secret { "this value" } else { value };
        let said = format!("the parameter `{name}` cannot be `{shown}`");
        let help = format!("it can be {}", crate::nearest::listed(allowed, "or"));
        doc.error_at_key(Code::BadParam, &at, said).advise(help);
    }
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|it| it.is_ascii_alphanumeric() || it == b'_')
}
