//! Redis' words for what went wrong, and the class of each.
//!
//! The first word of an error is its code. The text behind it is shown for the codes whose text is
//! fixed; that of others may repeat what was sent to it, values included, and is not shown.

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;

/// An error that the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    text: String,
}

impl Refusal {
    /// From the bytes behind the `-`.
    pub(super) fn new(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line).into_owned();
        // The words of the command that was refused stand behind those of the transaction.
        let inner = text
            .strip_prefix("EXECABORT Transaction discarded because of: ")
            .map(|inner| inner.trim_start_matches('-').to_owned());
        Self { text: inner.unwrap_or(text) }
    }

    /// The first word.
    pub(super) fn code(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// The node that `MOVED` names.
    pub(super) fn moved_to(&self) -> Option<&str> {
        self.text.strip_prefix("MOVED ")?.split(' ').nth(1)
    }

    /// What kind of thing went wrong.
    pub(super) fn class(&self) -> ErrorClass {
        match self.code() {
            "OOM" | "BUSY" | "TRYAGAIN" => ErrorClass::Throttled,
            "READONLY" | "LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | "NOREPLICAS" | "MOVED"
            | "ASK" | "UNKILLABLE" => ErrorClass::Unreachable,
            "MISCONF" => ErrorClass::Io,
            "NOAUTH" | "WRONGPASS" => ErrorClass::Auth,
            "NOPERM" | "DENIED" => ErrorClass::Permission,
            "CROSSSLOT" => ErrorClass::Config,
            "WRONGTYPE" => ErrorClass::Constraint,
            "ERR" if self.text.starts_with("ERR invalid password") => ErrorClass::Auth,
            "ERR" if self.text.starts_with("ERR max number of clients") => ErrorClass::Throttled,
            _ => ErrorClass::Unsupported,
        }
    }

    /// As a fault, with what to do about it.
    pub(super) fn fault(&self, doing: &str) -> Fault {
        let fault = Fault::new(self.class(), doing).because(Said(self.shown()));
        match self.code() {
            "OOM" => fault
                .hint("Raise `maxmemory`, set `maxlen` on the sink, or let the readers catch up."),
            "MISCONF" => fault.hint("Look into the server's log: it cannot write its snapshot."),
            "READONLY" => fault.hint("Point `uri` to the primary: this one is a replica."),
            "NOPERM" => fault
                .hint("Grant the user `+xadd +hset +hget +watch +multi +exec +info` on its keys."),
            "CROSSSLOT" => fault.hint("This is a cluster: set `cluster_tag` on the sink."),
            "WRONGTYPE" => {
                fault.hint("The key holds something else than a stream: choose another `stream`.")
            }
            _ => fault,
        }
    }

    fn shown(&self) -> String {
        if self.code() == "ERR" && self.text.contains("args beginning with") {
            return "ERR: the command is not known".to_owned();
        }
        let fixed = self.class() != ErrorClass::Unsupported;
        if fixed { self.text.clone() } else { format!("{} error", self.code()) }
    }
}

/// The server's words.
#[derive(Debug)]
struct Said(String);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_class() {
        for (line, class) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", ErrorClass::Throttled),
            ("READONLY You can't write against a read only replica.", ErrorClass::Unreachable),
            ("NOAUTH Authentication required.", ErrorClass::Auth),
            ("WRONGTYPE Operation against a key", ErrorClass::Constraint),
            ("EXECABORT Transaction discarded because of: OOM command not", ErrorClass::Throttled),
            ("ERR value is not an integer", ErrorClass::Unsupported),
        ] {
            assert_eq!(Refusal::new(line.as_bytes()).class(), class, "{line}");
        }
        let moved = Refusal::new(b"MOVED 3999 127.0.0.1:6381");
        assert_eq!(moved.moved_to(), Some("127.0.0.1:6381"));
    }

    #[test]
    fn what_was_sent_is_not_shown() {
        let line = b"ERR unknown command 'X', with args beginning with: 's3cret'";
        assert!(!Refusal::new(line).fault("asking").chain().contains("s3cret"));
    }
}
