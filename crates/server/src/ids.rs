//! What names a request: its id and its place in a trace.
//!
//! An id of the caller is kept when it is made of letters, digits and `-_.:/+=@`, at most 128 of
//! them; anything else, a line end above all, is replaced by one of ours. The trace is the caller's
//! when its `traceparent` is sound by <https://www.w3.org/TR/trace-context/>, else a new one.

use axum::http::{HeaderMap, HeaderValue};
use flowglass_model::TraceId;
use uuid::Uuid;

use crate::journal::Note;

/// The header that carries a request's id both ways.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The longest id of a caller that is kept.
const ID_CHARS_MAX: usize = 128;

/// The names of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) request: String,
    /// 32 lower-case hex digits.
    pub(crate) trace: String,
    /// 16 lower-case hex digits: the span that the server opens.
    pub(crate) span: String,
    /// The caller's span.
    pub(crate) parent: Option<String>,
    /// Whether the caller records its trace.
    pub(crate) sampled: bool,
}

impl Ids {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|it: &HeaderValue| it.to_str().ok());
        let given = text(REQUEST_ID).filter(|it| is_sane(it));
        let own = Uuid::new_v4();
        let span = own.simple().to_string();
        // Bits of a UUID that are always the same are not in its first eight bytes' first six.
        let span = span.get(..16).unwrap_or_default().to_owned();
        let above = text("traceparent").and_then(parse_traceparent);
        let (trace, parent, sampled) = match above {
            Some((trace, parent, sampled)) => (trace, Some(parent), sampled),
            None => (Uuid::new_v4().simple().to_string(), None, true),
        };
        let request = given.map_or_else(|| Uuid::now_v7().to_string(), ToOwned::to_owned);
        Self { request, trace, span, parent, sampled }
    }

    /// The trace for exemplars.
    pub(crate) fn trace_id(&self) -> Option<TraceId> {
        TraceId::from_bytes(Uuid::parse_str(&self.trace).ok()?.into_bytes())
    }

    /// What goes back to the caller.
    pub(crate) fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }

    /// The note with the request's names.
    pub(crate) fn sign(&self, mut note: Note) -> Note {
        note.request_id = Some(self.request.clone());
        note.trace_id = Some(self.trace.clone());
        note.span_id = Some(self.span.clone());
        note.parent_span_id.clone_from(&self.parent);
        note
    }
}

fn is_sane(id: &str) -> bool {
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&it);
    !id.is_empty() && id.len() <= ID_CHARS_MAX && id.bytes().all(fits)
}

/// Trace, parent span, and whether it is sampled.
fn parse_traceparent(given: &str) -> Option<(String, String, bool)> {
    let mut parts = given.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |text: &str| text.bytes().any(|it| it != b'0');
    let sound = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16);
    // Version 00 has four parts; later ones may have more.
    let ends = version != "00" || parts.next().is_none();
    if !(sound && ends && hex(flags, 2) && some(trace) && some(span)) {
        return None;
    }
    let sampled = u8::from_str_radix(flags, 16).is_ok_and(|it| it & 1 == 1);
    Some((trace.to_owned(), span.to_owned(), sampled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(pairs: &[(&'static str, &str)]) -> Ids {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Ids::of(&headers)
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_is_replaced() {
        assert_eq!(ids(&[(REQUEST_ID, "a-1_2.b:c/d+e=@")]).request, "a-1_2.b:c/d+e=@");
        let longest = "x".repeat(128);
        assert_eq!(ids(&[(REQUEST_ID, &longest)]).request, longest);
        let too_long = "x".repeat(129);
        for bad in ["", "a b", "ä", "a\tb", "<script>", &too_long] {
            let given = ids(&[(REQUEST_ID, bad)]).request;
            assert!(Uuid::parse_str(&given).is_ok(), "{bad:?} became {given:?}");
        }
    }

    #[test]
    fn a_sound_traceparent_goes_on_and_any_other_starts_anew() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let sound = format!("00-{trace}-b7ad6b7169203331-01");
        let it = ids(&[("traceparent", &sound)]);
        assert_eq!((it.trace.as_str(), it.parent.as_deref()), (trace, Some("b7ad6b7169203331")));
        assert!(it.sampled && it.traceparent().starts_with(&format!("00-{trace}-")));
        assert_ne!(it.span, "b7ad6b7169203331");
        let zeros = "0".repeat(32);
        for bad in [
            "",
            "00",
            &format!("ff-{trace}-b7ad6b7169203331-01"),
            &format!("00-{zeros}-b7ad6b7169203331-01"),
            &format!("00-{trace}-0000000000000000-01"),
            &sound.to_uppercase(),
            &format!("{sound}-more"),
            &format!("00-{trace}-b7ad6b7169203331-0"),
        ] {
            let it = ids(&[("traceparent", bad)]);
            assert!(it.parent.is_none() && it.trace != trace, "{bad}");
            assert_eq!((it.trace.len(), it.span.len()), (32, 16));
        }
    }
}
