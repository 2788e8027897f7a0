//! Reading answers: one buffer, no allocation an answer.
//!
//! A batch of 8192 entries is answered by 16,000 lines; all but a handful are known by their first
//! byte and passed over.

use std::io;
use std::time::Duration;

use flowglass_connect::Fault;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::errors::Refusal;

/// What is asked of the system at once.
const READ_BYTES: usize = 64 << 10;

/// No answer that we ask for is longer; a server that says otherwise is not Redis.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// One answer, or the head of one that has parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// A word, such as `OK` or `QUEUED`.
    Word(&'a [u8]),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Nothing.
    Nothing,
    /// So many answers follow.
    Parts(usize),
    /// The server refused.
    Refused(Refusal),
}

/// The reading half of a connection.
pub(super) struct Inbox<R> {
    from: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: AsyncRead + Unpin> Inbox<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// The next answer. May be dropped while it waits, without losing anything.
    pub(super) async fn next(&mut self) -> io::Result<Answer<'_>> {
        let used = loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            match parse(unread)? {
                Some((_, used)) => break used,
                None => self.fill().await?,
            }
        };
        let start = self.start;
        self.start += used;
        let answer = self.buffer.get(start..self.start).unwrap_or_default();
        // Parsed again because the borrow of the first time could not leave the loop; the answers
        // that are many do not come through here.
        Ok(parse(answer)?.map_or(Answer::Nothing, |(answer, _)| answer))
    }

    /// Passes over up to `count` answers that are exactly `line`; how many there were. Fewer than
    /// asked for means that the next one is another.
    pub(super) async fn pass(&mut self, line: &[u8], count: usize) -> io::Result<usize> {
        let mut passed = 0;
        while passed < count {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            if unread.starts_with(line) {
                self.start += line.len();
                passed += 1;
            } else if line.starts_with(unread) {
                self.fill().await?;
            } else {
                break;
            }
        }
        Ok(passed)
    }

    /// Passes over up to `count` answers that are bytes; how many there were.
    pub(super) async fn pass_bytes(&mut self, count: usize) -> io::Result<usize> {
        let mut passed = 0;
        while passed < count {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            match parse(unread)? {
                Some((Answer::Bytes(_), used)) => {
                    self.start += used;
                    passed += 1;
                }
                Some(_) => break,
                None => self.fill().await?,
            }
        }
        Ok(passed)
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer without an end"));
        }
        self.buffer.resize(self.end + READ_BYTES, 0);
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = self.from.read(free).await?;
        if read == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.end += read;
        Ok(())
    }
}

/// Waits for `work`, and gives the connection up after `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &str,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|error| Fault::io(doing, error)),
        Err(_) => Err(silent(doing, limit)),
    }
}

/// The server said nothing for too long.
pub(super) fn silent(doing: &str, limit: Duration) -> Fault {
    let what = format!("{doing}: no sign of life for {} s", limit.as_secs_f64());
    Fault::new(flowglass_model::ErrorClass::Timeout, what)
        .hint("Look at the network and at Redis' SLOWLOG, or raise the sink's `timeout_seconds`.")
}

/// The first answer in `bytes` and its length; `None` when it is not whole.
fn parse(bytes: &[u8]) -> io::Result<Option<(Answer<'_>, usize)>> {
    let Some(end) = line_end(bytes) else { return Ok(None) };
    let (mark, line) = match bytes.get(..end).and_then(<[u8]>::split_first) {
        Some((mark, line)) => (*mark, line),
        None => return Err(not_redis()),
    };
    let after = end + 2;
    let answer = match mark {
        b'+' => Answer::Word(line),
        b'-' => Answer::Refused(Refusal::new(line)),
        b':' => Answer::Number(number(line)?),
        b'_' => Answer::Nothing,
        b'*' => match usize::try_from(number(line)?) {
            Ok(parts) => Answer::Parts(parts),
            Err(_) => Answer::Nothing,
        },
        b'$' => match usize::try_from(number(line)?) {
            Ok(length) if length > ANSWER_BYTES_MAX => return Err(not_redis()),
            Ok(length) => {
                let whole = after + length + 2;
                if bytes.len() < whole {
                    return Ok(None);
                }
                let body = bytes.get(after..after + length).unwrap_or_default();
                return Ok(Some((Answer::Bytes(body), whole)));
            }
            Err(_) => Answer::Nothing,
        },
        _ => return Err(not_redis()),
    };
    Ok(Some((answer, after)))
}

/// Where the first line ends, before its `\r\n`.
fn line_end(bytes: &[u8]) -> Option<usize> {
    // Most lines are a few bytes long, so that a plain loop is the fastest.
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    at.checked_sub(1)
}

fn number(digits: &[u8]) -> io::Result<i64> {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or_else(not_redis)
}

fn not_redis() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer that is not of Redis' protocol")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_told_apart() {
        for (bytes, answer) in [
            (&b"+OK\r\n"[..], Answer::Word(b"OK")),
            (b":-3\r\n", Answer::Number(-3)),
            (b"$5\r\na\r\nbc\r\n", Answer::Bytes(b"a\r\nbc")),
            (b"$-1\r\n", Answer::Nothing),
            (b"*-1\r\n", Answer::Nothing),
            (b"*2\r\n", Answer::Parts(2)),
            (b"-ERR no\r\n", Answer::Refused(Refusal::new(b"ERR no"))),
        ] {
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]).unwrap(), None);
            }
            assert_eq!(parse(bytes).unwrap(), Some((answer, bytes.len())));
        }
        assert!(parse(b"HTTP/1.1 400\r\n").is_err());
        assert!(parse(b"\r\n").is_err());
    }

    #[tokio::test]
    async fn what_is_many_is_passed_over_across_reads() {
        let mut all = b"+QUEUED\r\n".repeat(5);
        all.extend_from_slice(b"*3\r\n$3\r\n1-0\r\n$3\r\n2-0\r\n-WRONGTYPE no\r\n+END\r\n");
        // Every size of read, so that each answer is cut at each place.
        for size in 1..all.len() {
            let mut mock = tokio_test_reader(&all, size);
            let mut inbox = Inbox::new(&mut mock);
            assert_eq!(inbox.pass(b"+QUEUED\r\n", 9).await.unwrap(), 5);
            assert_eq!(inbox.next().await.unwrap(), Answer::Parts(3));
            assert_eq!(inbox.pass_bytes(3).await.unwrap(), 2);
            assert!(matches!(inbox.next().await.unwrap(), Answer::Refused(_)));
            assert_eq!(inbox.next().await.unwrap(), Answer::Word(b"END"));
            assert!(inbox.next().await.is_err());
        }
    }

    /// Gives the bytes in pieces of that size.
    fn tokio_test_reader(all: &[u8], size: usize) -> impl AsyncRead + Unpin {
        Pieces { left: all.to_vec(), size }
    }

    struct Pieces {
        left: Vec<u8>,
        size: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _context: &mut std::task::Context<'_>,
            into: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            let size = self.size.min(self.left.len());
            into.put_slice(&self.left.drain(..size).collect::<Vec<_>>());
            std::task::Poll::Ready(Ok(()))
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>) {
            parse(&bytes).map(|_| ()).unwrap_or_default();
        }
    }
}
