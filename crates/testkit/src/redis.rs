//! A real Redis for tests: ready in some 30 milliseconds, one server a test binary or one a test.
//!
//! It listens to this machine alone and keeps nothing on disk, except where a test of a crash asks
//! for it by [`RedisSettings::durable`].

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::certificates::Certificates;
use crate::locate::program;
use crate::service::{Recipe, Service};

/// What to set before the server starts.
#[derive(Clone, Debug, Default)]
pub struct RedisSettings {
    lines: Vec<(String, String)>,
    tls: bool,
}

impl RedisSettings {
    /// Sets one parameter of `redis.conf`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.lines.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Every write is on disk before it is answered, so that a kill loses nothing.
    #[must_use]
    pub fn durable(self) -> Self {
        self.set("appendonly", "yes").set("appendfsync", "always")
    }

    /// Asks every client for this password.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        self.set("requirepass", password)
    }

    /// Takes TLS, and nothing else, on its port, with a certificate for `localhost` and 127.0.0.1
    /// that [`Redis::root_certificate`] vouches for.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }
}

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    service: Service<RedisRecipe>,
}

impl Redis {
    /// The server that all tests of one test binary share. It stops when the test process ends.
    ///
    /// # Panics
    /// "redis-server is not installed: run `cargo xtask deps`", or when it does not start.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(RedisSettings::default()))
    }

    /// A server for this test alone.
    ///
    /// # Panics
    /// As [`Redis::shared`].
    #[must_use]
    pub fn start(settings: RedisSettings) -> Self {
        let server = program("redis-server");
        Self { service: Service::start(RedisRecipe { server, settings }) }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.service.port()
    }

    /// `redis://127.0.0.1:PORT`, or `rediss://localhost:PORT` for a server with TLS.
    #[must_use]
    pub fn uri(&self) -> String {
        if self.service.recipe().settings.tls {
            return format!("rediss://localhost:{}", self.port());
        }
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// What a client must trust in order to believe a server with TLS: a file in PEM.
    #[must_use]
    pub fn root_certificate(&self) -> PathBuf {
        Certificates::in_folder(self.service.folder()).authority
    }

    /// The number of its process, for figures of the CPU time that it took.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.service.process()
    }

    /// Kills the server as a power cut would.
    pub fn kill(&mut self) {
        self.service.kill();
    }

    /// Stops the server if it runs and starts it again, with the same data on the same port.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn restart(&mut self) {
        self.service.restart();
    }
}

/// How Redis is started.
#[derive(Debug)]
struct RedisRecipe {
    server: PathBuf,
    settings: RedisSettings,
}

impl Recipe for RedisRecipe {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn prepare(&self, folder: &Path) {
        let mut text = String::from("bind 127.0.0.1\nsave \"\"\nappendonly no\ndaemonize no\n");
        text.push_str(&format!("dir {}\n", folder.display()));
        if self.settings.tls {
            let certificates = Certificates::in_folder(folder);
            certificates.make();
            text.push_str(&format!("tls-cert-file {}\n", certificates.server.display()));
            text.push_str(&format!("tls-key-file {}\n", certificates.key.display()));
            text.push_str(&format!("tls-ca-cert-file {}\n", certificates.authority.display()));
            text.push_str("tls-auth-clients no\n");
        }
        for (key, value) in &self.settings.lines {
            text.push_str(&format!("{key} {value}\n"));
        }
        std::fs::write(folder.join("redis.conf"), text).expect("cannot write redis.conf");
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.server);
        command.arg(folder.join("redis.conf"));
        command.args(["--pidfile", &folder.join("redis.pid").to_string_lossy()]);
        let port = port.to_string();
        if self.settings.tls {
            command.args(["--port", "0", "--tls-port", &port]);
        } else {
            command.args(["--port", &port]);
        }
        command.current_dir(folder);
        command
    }

    /// It says its own process number, so that another server on the same port is not taken for
    /// this one. With TLS, or a password, the file that it writes once it listens has to do.
    fn is_ready(&self, folder: &Path, port: u16, process: u32) -> bool {
        if self.settings.tls || self.settings.lines.iter().any(|(key, _)| key == "requirepass") {
            let written = std::fs::read_to_string(folder.join("redis.pid")).unwrap_or_default();
            let listens = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            return listens && written.trim() == process.to_string();
        }
        says(port).is_some_and(|said| {
            said.lines().any(|line| line == format!("process_id:{process}"))
                && said.lines().any(|line| line == "loading:0")
        })
    }
}

/// What the server says of itself.
fn says(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"INFO\r\nQUIT\r\n").ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    Some(said)
}
