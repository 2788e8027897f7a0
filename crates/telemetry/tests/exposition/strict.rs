//! A strict reader of OpenMetrics 1.0 text, which also reads the older format.
//!
//! It refuses what the specification forbids, not only what it cannot read: metadata after samples,
//! a family in two places, a suffix that does not belong to the type, a unit that is not the name's
//! end, a series twice, buckets that fall, a count that is not the last bucket, an exemplar outside
//! its bucket, anything after `# EOF`.

use std::collections::{BTreeMap, BTreeSet};

/// Labels in the order of the page.
pub(crate) type Labels = Vec<(String, String)>;

/// One line with a number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    pub(crate) exemplar: Option<(Labels, f64, f64)>,
}

/// A family with its metadata.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// Reads a page.
///
/// # Errors
/// The first line that breaks a rule, and the rule.
pub(crate) fn read(page: &str, openmetrics: bool) -> Result<BTreeMap<String, Family>, String> {
    let body = if openmetrics {
        page.strip_suffix("# EOF\n").ok_or("does not end with `# EOF`")?
    } else {
        page
    };
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    for line in body.lines() {
        let mut read_line = || -> Result<(), String> {
            if let Some(comment) = line.strip_prefix("# ") {
                metadata(comment, openmetrics, &mut families, &mut current)
            } else {
                let sample = sample(line, openmetrics)?;
                let family = families.get_mut(&current).ok_or("a sample before its family")?;
                suffix(&current, family, &sample, openmetrics)?;
                family.samples.push(sample);
                Ok(())
            }
        };
        read_line().map_err(|why| format!("{why}: {line}"))?;
    }
    for (name, family) in &families {
        check(name, family, openmetrics).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(families)
}

fn metadata(
    comment: &str,
    openmetrics: bool,
    families: &mut BTreeMap<String, Family>,
    current: &mut String,
) -> Result<(), String> {
    let mut words = comment.splitn(3, ' ');
    let (Some(what), Some(name), Some(text)) = (words.next(), words.next(), words.next()) else {
        return Err("a comment that is no metadata".to_owned());
    };
    is_name(name, true)?;
    if name != current {
        if families.insert(name.to_owned(), Family::default()).is_some() {
            return Err("the family stands in two places".to_owned());
        }
        name.clone_into(current);
    }
    let family = families.get_mut(name).ok_or("no family")?;
    if !family.samples.is_empty() {
        return Err("metadata after samples".to_owned());
    }
    match what {
        "HELP" if family.help.is_empty() => family.help = unescape(text, openmetrics)?,
        "TYPE" if family.kind.is_empty() => text.clone_into(&mut family.kind),
        "UNIT" if family.unit.is_none() && openmetrics => {
            if !name.ends_with(&format!("_{text}")) {
                return Err("the unit is not the end of the name".to_owned());
            }
            family.unit = Some(text.to_owned());
        }
        _ => return Err("metadata twice or unknown".to_owned()),
    }
    Ok(())
}

fn suffix(name: &str, family: &Family, sample: &Sample, openmetrics: bool) -> Result<(), String> {
    let allowed: &[&str] = match (family.kind.as_str(), openmetrics) {
        ("counter", true) => &["_total"],
        ("info", true) => &["_info"],
        ("histogram", _) => &["_bucket", "_sum", "_count"],
        ("gauge", _) | ("counter", false) => &[""],
        (other, _) => return Err(format!("type {other:?}")),
    };
    let suffix = sample.name.strip_prefix(name).ok_or("the sample is of another family")?;
    if !allowed.contains(&suffix) {
        return Err(format!("suffix {suffix:?} in a {}", family.kind));
    }
    if sample.exemplar.is_some() && !["_bucket", "_total"].contains(&suffix) {
        return Err("an exemplar where none may be".to_owned());
    }
    Ok(())
}

fn check(name: &str, family: &Family, openmetrics: bool) -> Result<(), String> {
    if family.help.is_empty() || family.kind.is_empty() || family.samples.is_empty() {
        return Err("no help, no type or no sample".to_owned());
    }
    let reserved = ["_total", "_created", "_bucket", "_count", "_sum", "_info"];
    if openmetrics && reserved.iter().any(|it| name.ends_with(it)) {
        return Err("the family's name ends like a sample's".to_owned());
    }
    let mut seen = BTreeSet::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.sort();
        if !labels.is_sorted_by(|left, right| left.0 < right.0) {
            return Err("a label twice".to_owned());
        }
        if !seen.insert((sample.name.clone(), labels)) {
            return Err(format!("a series twice: {sample:?}"));
        }
        let wrong = match family.kind.as_str() {
            "counter" | "histogram" => sample.value.is_nan() || sample.value < 0.0,
            "info" => sample.value != 1.0,
            _ => false,
        };
        if wrong {
            return Err(format!("a value that the type cannot have: {sample:?}"));
        }
    }
    if family.kind == "histogram" { histograms(name, family) } else { Ok(()) }
}

/// Each histogram stands together: buckets that rise, the endless one last, then sum and count.
fn histograms(name: &str, family: &Family) -> Result<(), String> {
    let mut done = BTreeSet::new();
    let mut samples = family.samples.iter().peekable();
    while let Some(first) = samples.peek() {
        let labels = without_le(&first.labels).1;
        if !done.insert(labels.clone()) {
            return Err(format!("histogram {labels:?} stands in two places"));
        }
        let (mut bound, mut count) = (f64::NEG_INFINITY, 0.0);
        while let Some(bucket) = samples.next_if(|it| it.name.ends_with("_bucket")) {
            let (le, own) = without_le(&bucket.labels);
            let le = le.ok_or("a bucket without `le`")?;
            if own != labels || le <= bound || bucket.value < count {
                return Err(format!("bucket out of order: {bucket:?}"));
            }
            if bucket.exemplar.as_ref().is_some_and(|(_, value, _)| *value > le || *value <= bound)
            {
                return Err(format!("exemplar outside its bucket: {bucket:?}"));
            }
            (bound, count) = (le, bucket.value);
        }
        let (sum, total) = (samples.next(), samples.next());
        let (Some(sum), Some(total)) = (sum, total) else {
            return Err("no sum or count".to_owned());
        };
        let named = sum.name == format!("{name}_sum") && total.name == format!("{name}_count");
        if !named || sum.labels != labels || total.labels != labels {
            return Err("sum and count do not follow their buckets".to_owned());
        }
        if bound != f64::INFINITY || total.value != count {
            return Err("the count is not the endless bucket".to_owned());
        }
    }
    Ok(())
}

fn without_le(labels: &Labels) -> (Option<f64>, Labels) {
    let le = labels.iter().find(|(key, _)| key == "le").and_then(|(_, value)| number(value).ok());
    (le, labels.iter().filter(|(key, _)| key != "le").cloned().collect())
}

fn sample(line: &str, openmetrics: bool) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    is_name(name, true)?;
    let (labels, rest) = labels(rest)?;
    let rest = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let (value, exemplar) = match rest.split_once(" # ") {
        Some((value, exemplar)) if openmetrics => (value, Some(self::exemplar(exemplar)?)),
        Some(_) => return Err("an exemplar in the older format".to_owned()),
        None => (rest, None),
    };
    Ok(Sample { name: name.to_owned(), labels, value: number(value)?, exemplar })
}

fn exemplar(text: &str) -> Result<(Labels, f64, f64), String> {
    let (labels, rest) = labels(text)?;
    let length: usize =
        labels.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    if length > 128 {
        return Err("an exemplar's labels are longer than 128 characters".to_owned());
    }
    let (value, time) = rest.trim_start().split_once(' ').ok_or("an exemplar without a time")?;
    Ok((labels, number(value)?, number(time)?))
}

/// Reads `{a="b",c="d"}` at the beginning of a text, if there is one, and gives what follows.
fn labels(text: &str) -> Result<(Labels, &str), String> {
    let Some(mut rest) = text.strip_prefix('{') else { return Ok((Vec::new(), text)) };
    let mut labels = Vec::new();
    loop {
        let (key, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        is_name(key, false)?;
        let mut escaped = false;
        let end = after
            .find(|c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
            .ok_or("a value without an end")?;
        let (value, after) = after.split_at(end);
        labels.push((key.to_owned(), unescape(value, true)?));
        rest = after.strip_prefix('"').ok_or("a value without an end")?;
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        rest = rest.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\\') => plain.push('\\'),
                Some('n') => plain.push('\n'),
                Some('"') if quotes => plain.push('"'),
                other => return Err(format!("escape {other:?}")),
            },
            '"' if quotes => return Err("a bare quote".to_owned()),
            c => plain.push(c),
        }
    }
    Ok(plain)
}

fn number(text: &str) -> Result<f64, String> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    match text {
        "NaN" => Ok(f64::NAN),
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        _ if plain => text.parse().map_err(|_| format!("number {text:?}")),
        _ => Err(format!("number {text:?}")),
    }
}

fn is_name(name: &str, colons: bool) -> Result<(), String> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
    let fits = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
    if fits { Ok(()) } else { Err(format!("name {name:?}")) }
}

#[test]
fn the_reader_refuses_what_the_specification_forbids() {
    let good = "# HELP a_seconds Help.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
        a_seconds_bucket{le=\"1.0\"} 1 # {trace_id=\"ab\"} 0.5 1.5\na_seconds_bucket{le=\"+Inf\"} 1\n\
        a_seconds_sum 0.5\na_seconds_count 1\n# EOF\n";
    assert_eq!(read(good, true).map(|it| it.len()), Ok(1));
    for (from, to) in [
        ("# EOF\n", ""),
        ("# EOF\n", "# EOF\n\n"),
        ("Help.", "He\\lp."),
        ("# UNIT a_seconds seconds", "# UNIT a_seconds meters"),
        ("a_seconds_count 1", "a_seconds_count 2"),
        ("a_seconds_sum 0.5\n", ""),
        ("{le=\"+Inf\"} 1", "{le=\"+Inf\"} 0"),
        ("{le=\"1.0\"}", "{le=\"1.0\",le=\"2\"}"),
        ("} 0.5 1.5", "} 1.5 1.5"),
        ("} 0.5 1.5", "} 0.5"),
        ("a_seconds_sum", "a_second_sum"),
        ("TYPE a_seconds histogram", "TYPE a_seconds gauge"),
        ("# HELP a_seconds Help.\n", "# HELP a_seconds Help.\n# HELP a_seconds Help.\n"),
        ("0.5\n", "0x5\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(read(&bad, true).is_err(), "taken: {bad}");
    }
}
