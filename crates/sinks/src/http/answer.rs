//! What a webhook's answer means for the rows of the request.
//! <https://www.rfc-editor.org/rfc/rfc9110#name-status-codes>

use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use hyper::StatusCode;
use jiff::Timestamp;

/// No answer makes us wait longer than this; then we ask again.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What happens next.
#[derive(Debug)]
pub(super) enum Next {
    /// The rows are there.
    Done,
    /// Some row is at fault: the request is halved, and a row that stands alone is refused with this.
    Divide(Fault),
    /// The whole sink is: the writer ends.
    Fail(Fault),
}

/// From a status to what happens next. `by_row`: the path depends on the row.
pub(super) fn next(status: StatusCode, by_row: bool) -> Next {
    let said = format!("the webhook answered {}", status.as_u16());
    let fault = |class| Fault::new(class, said.clone());
    match status.as_u16() {
        200..=299 => Next::Done,
        300..=399 => Next::Fail(
            fault(ErrorClass::Config)
                .hint("It sends us elsewhere: write the address that it names as `url`."),
        ),
        401 | 407 => Next::Fail(
            fault(ErrorClass::Auth).hint("Check `secret` and the header `authorization`."),
        ),
        403 => Next::Fail(
            fault(ErrorClass::Permission)
                .hint("Check `secret` and the header `authorization`, and what they may do."),
        ),
        404 | 410 if !by_row => {
            Next::Fail(fault(ErrorClass::NotFound).hint("Check the path of `url`."))
        }
        405 | 406 | 415 | 417 | 421 | 426 | 431 => Next::Fail(
            fault(ErrorClass::Config)
                .hint("It takes no such request: check `url`, `body`, `envelope` and `headers`."),
        ),
        408 | 425 => Next::Fail(fault(ErrorClass::Timeout)),
        429 => Next::Fail(fault(ErrorClass::Throttled)),
        413 => Next::Divide(
            fault(ErrorClass::TooLarge)
                .hint("Lower `request_bytes_max`, or raise the webhook's limit."),
        ),
        409 => Next::Divide(fault(ErrorClass::Constraint)),
        400..=499 => Next::Divide(fault(ErrorClass::Malformed).hint(
            "Look at the webhook's own log: its answers may hold values and are not shown here.",
        )),
        _ => Next::Fail(fault(ErrorClass::Unreachable)),
    }
}

/// How long the header `retry-after` asks us to wait: seconds, or a date.
/// <https://www.rfc-editor.org/rfc/rfc9110#name-retry-after>
pub(super) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, by_row: bool) -> (&'static str, Option<ErrorClass>) {
        match next(StatusCode::from_u16(status).unwrap(), by_row) {
            Next::Done => ("done", None),
            Next::Divide(fault) => ("divide", Some(fault.class())),
            Next::Fail(fault) => ("fail", Some(fault.class())),
        }
    }

    #[test]
    fn each_status_has_its_consequence() {
        for (status, expected) in [
            (200, ("done", None)),
            (204, ("done", None)),
            (301, ("fail", Some(ErrorClass::Config))),
            (400, ("divide", Some(ErrorClass::Malformed))),
            (401, ("fail", Some(ErrorClass::Auth))),
            (403, ("fail", Some(ErrorClass::Permission))),
            (404, ("fail", Some(ErrorClass::NotFound))),
            (408, ("fail", Some(ErrorClass::Timeout))),
            (413, ("divide", Some(ErrorClass::TooLarge))),
            (422, ("divide", Some(ErrorClass::Malformed))),
            (425, ("fail", Some(ErrorClass::Timeout))),
            (429, ("fail", Some(ErrorClass::Throttled))),
            (500, ("fail", Some(ErrorClass::Unreachable))),
            (503, ("fail", Some(ErrorClass::Unreachable))),
        ] {
            assert_eq!(of(status, false), expected, "{status}");
        }
        assert_eq!(of(404, true), ("divide", Some(ErrorClass::Malformed)));
        // What is retried can pass, what is divided is about rows.
        for status in 100..600 {
            match of(status, false) {
                ("divide", Some(class)) => {
                    assert_eq!(class.policy(), flowglass_model::Policy::SetAside, "{status}");
                }
                ("fail", Some(class)) if status >= 500 => assert!(class.retryable(), "{status}"),
                _ => {}
            }
        }
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        let now: Timestamp = "2024-02-29T12:00:00Z".parse().unwrap();
        for (header, seconds) in [
            ("7", Some(7)),
            ("99999999", Some(3600)),
            ("Thu, 29 Feb 2024 12:01:00 GMT", Some(60)),
            ("Thu, 29 Feb 2024 11:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(header, now), seconds.map(Duration::from_secs), "{header}");
        }
    }
}
