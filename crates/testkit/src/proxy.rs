//! A TCP proxy between a client under test and a real service, with the faults of a network: cut,
//! cut after so many bytes, delay, silence.
//!
//! It runs on threads of its own and not in the test's runtime, so that a test that blocks its only
//! worker still meets a network that behaves as it was told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is copied at once; small, so that a cut after so many bytes is exact to this.
const COPY_BYTES_MAX: usize = 16 << 10;

/// A proxy on a port of 127.0.0.1. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    upstream: Option<SocketAddr>,
    /// Both ends of every open connection.
    open: Vec<(u64, TcpStream, TcpStream)>,
    accepted: u64,
    to_server_bytes: u64,
    cut_at_byte: Option<u64>,
    refusing: bool,
    silent: bool,
    delay: Duration,
    ended: bool,
}

impl Default for Proxy {
    fn default() -> Self {
        Self::new()
    }
}

impl Proxy {
    /// A proxy that refuses everybody until it is told where to go by [`Proxy::forward_to`]: some
    /// services must know the proxy's port before they start.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let shared = Arc::new(Shared::default());
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { port, shared, accepting: Some(accepting) }
    }

    /// A proxy in front of a port of 127.0.0.1.
    #[must_use]
    pub fn before(port: u16) -> Self {
        let proxy = Self::new();
        proxy.forward_to(port);
        proxy
    }

    /// Where connections go from now on: a port of 127.0.0.1.
    pub fn forward_to(&self, port: u16) {
        self.shared.lock().upstream = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }

    /// The port on 127.0.0.1 that clients connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }

    /// How many bytes went from clients to the server so far.
    #[must_use]
    pub fn to_server_bytes(&self) -> u64 {
        self.shared.lock().to_server_bytes
    }

    /// Closes every open connection; new ones are taken.
    pub fn cut(&self) {
        self.shared.lock().cut();
    }

    /// Closes every open connection as soon as about so many more bytes went to the server.
    pub fn cut_after(&self, bytes: u64) {
        let mut state = self.shared.lock();
        state.cut_at_byte = Some(state.to_server_bytes.saturating_add(bytes));
    }

    /// Whether a cut that was asked for by [`Proxy::cut_after`] is still to come.
    #[must_use]
    pub fn cut_is_due(&self) -> bool {
        self.shared.lock().cut_at_byte.is_some()
    }

    /// Takes back [`Proxy::cut_after`], [`Proxy::refuse`], [`Proxy::blackhole`] and
    /// [`Proxy::delay`].
    pub fn heal(&self) {
        let mut state = self.shared.lock();
        state.cut_at_byte = None;
        state.refusing = false;
        state.silent = false;
        state.delay = Duration::ZERO;
        self.shared.changed.notify_all();
    }

    /// Closes every open connection, and each new one at once.
    pub fn refuse(&self) {
        let mut state = self.shared.lock();
        state.refusing = true;
        state.cut();
    }

    /// Passes nothing on, in either direction, and closes nothing: the worst that a network does.
    pub fn blackhole(&self) {
        self.shared.lock().silent = true;
    }

    /// Holds back each piece of up to 16 KiB for so long, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.ended = true;
            state.cut();
            self.shared.changed.notify_all();
        }
        // Wakes the thread that accepts, which then sees the end.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.accepting.take() {
            thread.join().ok();
        }
    }
}

impl Shared {
    /// A test that failed while it held the lock leaves a state that is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cut(&mut self) {
        self.cut_at_byte = None;
        for (_, client, server) in self.open.drain(..) {
            client.shutdown(Shutdown::Both).ok();
            server.shutdown(Shutdown::Both).ok();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let mut state = shared.lock();
        if state.ended {
            return;
        }
        let Ok(client) = client else { continue };
        state.accepted += 1;
        let (Some(upstream), false) = (state.upstream, state.refusing) else { continue };
        let number = state.accepted;
        drop(state);
        let Ok(server) = TcpStream::connect(upstream) else { continue };
        join(number, &client, &server, shared);
    }
}

fn join(number: u64, client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) {
    let pairs = (client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone());
    let (Ok(client_read), Ok(server_read), Ok(client_kept), Ok(server_kept)) = pairs else {
        return;
    };
    let (Ok(client_write), Ok(server_write)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    client_kept.set_nodelay(true).ok();
    server_kept.set_nodelay(true).ok();
    shared.lock().open.push((number, client_kept, server_kept));
    for (from, to, counts) in
        [(client_read, server_write, true), (server_read, client_write, false)]
    {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            copy(from, to, counts, &shared);
            // One direction ended: so does the other, as the services here never half-close.
            let mut state = shared.lock();
            if let Some(at) = state.open.iter().position(|(it, ..)| *it == number) {
                let (_, client, server) = state.open.swap_remove(at);
                client.shutdown(Shutdown::Both).ok();
                server.shutdown(Shutdown::Both).ok();
            }
        });
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, counts: bool, shared: &Shared) {
    let mut buffer = vec![0; COPY_BYTES_MAX];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let mut state = shared.lock();
        while state.silent && !state.ended {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut passed = read;
        let mut cut = false;
        if counts {
            let end = state.to_server_bytes + read as u64;
            if let Some(at) = state.cut_at_byte.filter(|at| *at < end) {
                passed = usize::try_from(at - state.to_server_bytes).unwrap_or(read);
                cut = true;
            }
            state.to_server_bytes += passed as u64;
        }
        let delay = state.delay;
        drop(state);
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        if to.write_all(buffer.get(..passed).unwrap_or_default()).is_err() {
            return;
        }
        if cut {
            shared.lock().cut();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says back what it hears.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut from, mut to) = (stream.as_ref().unwrap(), stream.as_ref().unwrap());
                std::io::copy(&mut from, &mut to).ok();
            }
        });
        port
    }

    fn say(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(text)?;
        let mut heard = vec![0; text.len()];
        stream.read_exact(&mut heard)?;
        Ok(heard)
    }

    #[test]
    fn bytes_pass_until_they_are_cut() {
        let proxy = Proxy::before(echo());
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        assert_eq!(say(&mut stream, b"hello").unwrap(), b"hello");
        proxy.cut_after(3);
        assert!(say(&mut stream, b"world").is_err());
        assert_eq!(proxy.to_server_bytes(), 8);
        assert!(!proxy.cut_is_due());
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        assert_eq!(say(&mut stream, b"again").unwrap(), b"again");
        proxy.refuse();
        assert!(say(&mut stream, b"world").is_err());
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()));
        assert!(refused.and_then(|mut stream| say(&mut stream, b"world")).is_err());
        assert_eq!(proxy.accepted(), 3);
    }

    #[test]
    fn silence_ends_when_it_is_healed() {
        let proxy = Proxy::before(echo());
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        proxy.blackhole();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(say(&mut stream, b"hello").is_err());
        proxy.heal();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
    }
}
