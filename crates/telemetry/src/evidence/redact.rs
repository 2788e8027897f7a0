//! Credentials out of texts before they reach a file.
//!
//! Labels come from wrapper scripts and reports from error texts, and both copy connection strings.
//! A published metrics file cannot be called back, so this errs on the side of `***`: it knows the
//! forms in which credentials travel (URL user information, `password=`, `Authorization`), the fixed
//! shapes of well-known tokens, and words that look drawn at random. Hexadecimal words stay, because
//! commit hashes and run ids look like that. Scanners are by hand: compiling the same as regular
//! expressions would cost more than the whole export.

use std::borrow::Cow;

/// What is written in the place of a credential.
pub const MARK: &str = "***";

/// Words after which a value is a credential, compared in lower case without `_`, `-`, `.` and blanks.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accesskeyid",
    "secretkey",
    "privatekey",
    "accountkey",
    "authorization",
    "auth",
    "credential",
    "credentials",
    "signature",
    "sig",
    "sas",
    "cookie",
    "sessionid",
    "connectionstring",
    "dsn",
];

/// Prefixes of well-known tokens, and how many token characters follow at least.
const TOKEN_PREFIXES: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("AROA", 16),
    ("AIDA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("gldt-", 16),
    ("xoxa-", 8),
    ("xoxb-", 8),
    ("xoxp-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("xapp-", 8),
    ("sk-", 20),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("rk_live_", 8),
    ("pk_live_", 8),
    ("AIza", 30),
    ("ya29.", 16),
    ("npm_", 30),
    ("pypi-", 30),
    ("hvs.", 16),
    ("dop_v1_", 16),
    ("eyJ", 12),
    ("SG.", 20),
    ("glsa_", 16),
    ("dapi", 32),
    ("shpat_", 16),
    ("lin_api_", 16),
];

/// The text with every credential replaced by [`MARK`].
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    // Most labels are short plain words: nothing below can match those.
    if text.len() < 8 && !text.contains(['=', ':', '@']) {
        return Cow::Borrowed(text);
    }
    if let Some(begin) = private_key(text) {
        let kept = text.get(..begin).unwrap_or("");
        return Cow::Owned(format!("{}{MARK}", redact(kept)));
    }
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    user_information(text, &mut cuts);
    named_values(text, &mut cuts);
    schemes(text, &mut cuts);
    words(text, &mut cuts);
    if cuts.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(cut(text, &mut cuts)) }
}

/// Whether a label, attribute or field of this name holds a credential whatever its value.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let flat = flatten(name);
    SECRET_NAMES
        .iter()
        .any(|secret| flat == *secret || (secret.len() >= 5 && flat.ends_with(secret)))
}

/// The value of a named text: [`MARK`] when the name says that it is a credential.
#[must_use]
pub fn redact_named<'t>(name: &str, value: &'t str) -> Cow<'t, str> {
    if !value.is_empty() && is_secret_name(name) { Cow::Borrowed(MARK) } else { redact(value) }
}

fn flatten(name: &str) -> String {
    name.chars()
        .filter(|character| !matches!(character, '_' | '-' | '.' | ' '))
        .map(|character| character.to_ascii_lowercase())
        .collect()
}

fn cut(text: &str, cuts: &mut [(usize, usize)]) -> String {
    cuts.sort_unstable();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for &(begin, end) in cuts.iter() {
        if end <= from {
            continue;
        }
        if begin >= from {
            out.push_str(text.get(from..begin).unwrap_or(""));
            out.push_str(MARK);
        }
        // An overlapping cut widens the one before it; its mark stands already.
        from = end;
    }
    out.push_str(text.get(from..).unwrap_or(""));
    out
}

fn private_key(text: &str) -> Option<usize> {
    let begin = text.find("-----BEGIN ")?;
    text.get(begin..)?.contains("PRIVATE KEY").then_some(begin)
}

/// `scheme://user:password@host`: everything before the last `@` of the authority.
fn user_information(text: &str, cuts: &mut Vec<(usize, usize)>) {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find("://")) {
        let begin = from + found + 3;
        let rest = text.get(begin..).unwrap_or("");
        // A password may hold unescaped `/` or `?`; the last `@` before a blank closes it.
        let authority =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ','));
        let authority = rest.get(..authority.unwrap_or(rest.len())).unwrap_or("");
        if let Some(at) = authority.rfind('@') {
            let path = authority.find('/');
            let in_path = path.is_some_and(|slash| slash < at)
                && !authority.get(..path.unwrap_or(0)).is_some_and(|host| host.contains(':'));
            if !in_path {
                cuts.push((begin, begin + at));
            }
        }
        from = begin;
    }
    // Go's MySQL driver writes `user:password@tcp(host)/db`, without a scheme.
    if let Some(at) = text.find("@tcp(").or_else(|| text.find("@unix(")) {
        let begin = text
            .get(..at)
            .and_then(|before| before.rfind(char::is_whitespace))
            .map_or(0, |blank| blank + 1);
        cuts.push((begin, at));
    }
}

/// `password=…`, `"token": "…"`, `pwd: …`, `--password …`.
fn named_values(text: &str, cuts: &mut Vec<(usize, usize)>) {
    for (at, separator) in text.match_indices(['=', ':']) {
        let before = text.get(..at).unwrap_or("").trim_end_matches(['"', '\'', ' ', '\\']);
        let name_begin = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .map_or(0, |found| {
                found
                    + before
                        .get(found..)
                        .and_then(|rest| rest.chars().next())
                        .map_or(1, char::len_utf8)
            });
        let name = before.get(name_begin..).unwrap_or("").trim_start_matches('-');
        if name.is_empty() || !is_secret_name(name) {
            continue;
        }
        let begin = at + separator.len();
        push_value(text, begin, cuts);
    }
    for (at, flag) in text.match_indices("--") {
        let begin = at + flag.len();
        let rest = text.get(begin..).unwrap_or("");
        if let Some(end) = rest.find(' ')
            && rest.get(..end).is_some_and(is_secret_name)
        {
            push_value(text, begin + end, cuts);
        }
    }
}

/// The value that begins after `begin`: quoted, or up to a separator.
fn push_value(text: &str, begin: usize, cuts: &mut Vec<(usize, usize)>) {
    let rest = text.get(begin..).unwrap_or("");
    let value = rest.trim_start_matches([' ', '\\']);
    let skipped = rest.len() - value.len();
    let (from, end) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = value.get(1..).unwrap_or("");
            (1, 1 + inner.find(quote).unwrap_or(inner.len()))
        }
        Some(_) => {
            let end = value
                .find(|c: char| c.is_whitespace() || matches!(c, '&' | ';' | ',' | '"' | '\''));
            let mut end = end.unwrap_or(value.len());
            // `Authorization: Bearer xyz` has a word between name and value.
            let scheme = value.get(..end).unwrap_or("").to_ascii_lowercase();
            if matches!(scheme.as_str(), "bearer" | "basic" | "token" | "digest") {
                let more = value.get(end..).unwrap_or("");
                let word = more.trim_start();
                let length =
                    word.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
                end += more.len() - word.len() + length.unwrap_or(word.len());
            }
            (0, end)
        }
        None => return,
    };
    if end > from {
        cuts.push((begin + skipped + from, begin + skipped + end));
    }
}

/// `Bearer …` and `Basic …` without a header name before them.
fn schemes(text: &str, cuts: &mut Vec<(usize, usize)>) {
    for (at, _) in text.match_indices(' ') {
        let word = text.get(..at).unwrap_or("");
        let begin = word.rfind(|c: char| !c.is_ascii_alphabetic()).map_or(0, |found| {
            found + word.get(found..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        let name = word.get(begin..).unwrap_or("");
        if !name.eq_ignore_ascii_case("bearer") && !name.eq_ignore_ascii_case("basic") {
            continue;
        }
        let value = text.get(at + 1..).unwrap_or("");
        let end = value.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
        let end = end.unwrap_or(value.len());
        // "basic checks" is prose; a credential is longer and not a plain lower-case word.
        let prose =
            value.get(..end).is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
        if end >= 6 && !prose {
            cuts.push((at + 1, at + 1 + end));
        }
    }
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'=' | b'~')
}

/// Words with the shape of a known token, and words that look drawn at random.
fn words(text: &str, cuts: &mut Vec<(usize, usize)>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes.get(at).copied().is_some_and(is_token_byte) {
            at += 1;
            continue;
        }
        let begin = at;
        while bytes.get(at).copied().is_some_and(is_token_byte) {
            at += 1;
        }
        let word = text.get(begin..at).unwrap_or("");
        if word.len() < 12 {
            continue;
        }
        if is_random(word) {
            cuts.push((begin, at));
        } else if let Some(found) = known_token(word) {
            cuts.push((begin + found, at));
        }
    }
}

fn known_token(word: &str) -> Option<usize> {
    TOKEN_PREFIXES.iter().find_map(|(prefix, follows)| {
        word.match_indices(prefix).map(|(found, _)| found).find(|&found| {
            let apart = found == 0
                || word.as_bytes().get(found - 1).is_some_and(|byte| !byte.is_ascii_alphanumeric());
            let tail = word.get(found + prefix.len()..).unwrap_or("");
            let run = tail
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
                .count();
            let upper_only = prefix.len() != 4
                || !prefix.ends_with(['A'])
                || tail
                    .bytes()
                    .take(16)
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            apart && run >= *follows && upper_only
        })
    })
}

/// Long, with capitals, small letters and digits mixed throughout: no name is written like that.
fn is_random(word: &str) -> bool {
    // A path is judged by its parts; the one base64 secret with slashes that has a fixed length is
    // the AWS secret key.
    if word.len() == 40 && word.contains('/') {
        return mixed(word, 4);
    }
    word.split(['/', '.', '=', '~']).any(|part| part.len() >= 28 && mixed(part, 3))
}

/// Whether all three classes are there and the class changes at every `stretch` characters or oftener.
fn mixed(part: &str, stretch: usize) -> bool {
    let mut changes = 0;
    let mut seen = [false; 3];
    let mut last = None;
    for byte in part.bytes() {
        let class = match byte {
            b'A'..=b'Z' => 0_usize,
            b'a'..=b'z' => 1,
            b'0'..=b'9' => 2,
            _ => continue,
        };
        if let Some(flag) = seen.get_mut(class) {
            *flag = true;
        }
        if last.is_some_and(|before| before != class) {
            changes += 1;
        }
        last = Some(class);
    }
    seen.iter().all(|flag| *flag) && changes * stretch >= part.len()
}

#[cfg(test)]
mod tests;
