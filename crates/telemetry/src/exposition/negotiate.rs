//! Which format a scraper gets for its `Accept` header.
//!
//! The rules are those of Prometheus's content negotiation: the highest quality wins, of equals the
//! first; whatever is asked for that we do not write is passed over; the last resort is text 0.0.4,
//! never a refusal.

use super::Format;

/// The format for an `Accept` header; `None` when the request had none.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Format {
    let mut best: Option<(u16, Format)> = None;
    for (quality, format) in accept.unwrap_or_default().split(',').filter_map(offer) {
        if quality > 0 && best.is_none_or(|(so_far, _)| quality > so_far) {
            best = Some((quality, format));
        }
    }
    best.map(|(_, format)| format).unwrap_or_default()
}

/// What one entry of the header asks for, with its quality in thousandths; `None` when we cannot
/// write it.
fn offer(entry: &str) -> Option<(u16, Format)> {
    let mut parts = entry.split(';').map(str::trim);
    let media = parts.next()?.to_ascii_lowercase();
    let (mut version, mut quality, mut utf8) = (None, 1_000, false);
    for part in parts {
        let (key, value) = part.split_once('=')?;
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "version" => version = Some(value.to_owned()),
            "q" => quality = thousandths(value)?,
            "escaping" => utf8 = value.eq_ignore_ascii_case("allow-utf-8"),
            // `charset` and what later versions add do not change what we write.
            _ => {}
        }
    }
    let format = match (media.as_str(), version.as_deref()) {
        ("application/openmetrics-text", Some("1.0.0") | None) => Format::OpenMetrics100 { utf8 },
        ("application/openmetrics-text", Some("0.0.1")) => Format::OpenMetrics001,
        ("text/plain", Some("1.0.0")) => Format::Text100 { utf8 },
        ("text/plain", Some("0.0.4") | None) | ("text/*" | "*/*", _) => Format::Text004,
        _ => return None,
    };
    Some((quality, format))
}

/// A quality value as RFC 9110 section 12.4.2 writes it: 0 to 1 with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let plain = decimals.len() <= 3 && decimals.chars().all(|c| c.is_ascii_digit());
    let decimals: u16 = format!("{decimals:0<3}").parse().ok().filter(|_| plain)?;
    match whole {
        "0" => Some(decimals),
        "1" if decimals == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapers_get_what_they_ask_for() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let protobuf_first = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let open = |utf8| Format::OpenMetrics100 { utf8 };
        for (accept, format) in [
            (prometheus_3, open(true)),
            (prometheus_2, open(false)),
            (protobuf_first, Format::Text004),
            (browser, Format::Text004),
            ("application/openmetrics-text", open(false)),
            ("Application/OpenMetrics-Text; Version=\"0.0.1\"", Format::OpenMetrics001),
            ("text/plain;version=1.0.0", Format::Text100 { utf8: false }),
            ("text/plain;q=0.2, application/openmetrics-text;q=0.1", Format::Text004),
            ("application/openmetrics-text;q=0", Format::Text004),
            ("application/openmetrics-text;q=2", Format::Text004),
            ("application/openmetrics-text;q=0.1234", Format::Text004),
            ("application/openmetrics-text;version=2.0.0", Format::Text004),
            ("application/json", Format::Text004),
            (";;,q=,=,", Format::Text004),
            ("", Format::Text004),
        ] {
            assert_eq!(negotiate(Some(accept)), format, "{accept}");
        }
        assert_eq!(negotiate(None), Format::Text004);
    }
}
