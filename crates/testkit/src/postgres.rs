//! A real Postgres for tests: started in a second or two, one server a test binary, a fresh
//! database a test.
//!
//! It runs as the `postgres` account when the tests run as root (the server refuses root), else as
//! whoever runs them. Durability is switched off: these databases are not meant to survive
//! anything, except where a test of a crash switches it on again by [`Settings::set`].

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::certificates::Certificates;
use crate::locate::postgres_program;
use crate::service::{Recipe, Service};

/// The role that owns everything; it has no password, for the server listens to this machine alone.
const OWNER: &str = "postgres";

/// Members of this role must give their password, so that a wrong one can be tested.
const ASKED_FOR_PASSWORD: &str = "asked_for_password";

/// What to set in the server's configuration before it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    lines: Vec<(String, String)>,
    tls: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let fast = [
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("autovacuum", "off"),
            ("max_connections", "200"),
            ("shared_buffers", "128MB"),
            ("max_wal_size", "2GB"),
            ("log_min_messages", "warning"),
        ];
        Self {
            lines: fast.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
            tls: false,
        }
    }
}

impl Settings {
    /// Sets one parameter; the last word on a parameter counts.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.lines.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Offers TLS, with a certificate for `localhost` and 127.0.0.1 that
    /// [`Postgres::root_certificate`] vouches for. Plain connections are still taken.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// `wal_level = logical`, with room for replication slots: what change data capture needs.
    #[must_use]
    pub fn logical_replication(self) -> Self {
        self.set("wal_level", "logical")
            .set("max_replication_slots", "50")
            .set("max_wal_senders", "50")
    }
}

/// A running Postgres.
#[derive(Debug)]
pub struct Postgres {
    service: Service<PostgresRecipe>,
    databases: AtomicU64,
}

impl Postgres {
    /// The server that all tests of one test binary share. It stops when the test process ends.
    ///
    /// # Panics
    /// "postgres is not installed: run `cargo xtask deps`", or when it does not start.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Settings::default()))
    }

    /// A server for this test alone: for settings of its own, or to be killed and restarted.
    ///
    /// # Panics
    /// As [`Postgres::shared`].
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        Self {
            service: Service::start(PostgresRecipe::new(settings)),
            databases: AtomicU64::new(0),
        }
    }

    /// A new, empty database.
    ///
    /// # Panics
    /// When the server refuses to make one.
    pub async fn database(&self) -> Database {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let admin = self.connect(OWNER).await;
        admin
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .expect("cannot make a test database");
        Database { dsn: self.dsn(&name), name, port: self.port() }
    }

    /// A role that may log in, and must give this password to do so.
    ///
    /// # Panics
    /// When the server refuses to make it; names and passwords with a quote in them are refused
    /// here.
    pub async fn role(&self, name: &str, password: &str) {
        assert!(
            !format!("{name}{password}").contains(['\'', '"', '\\']),
            "a plain name and password, please"
        );
        let make_group = format!(
            "DO $$ BEGIN CREATE ROLE {ASKED_FOR_PASSWORD}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        );
        let make_role = format!(
            "CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}' IN ROLE {ASKED_FOR_PASSWORD}"
        );
        let admin = self.connect(OWNER).await;
        admin.batch_execute(&make_group).await.expect("cannot make the group role");
        admin.batch_execute(&make_role).await.expect("cannot make a test role");
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.service.port()
    }

    /// What a client must trust in order to believe a server that was started with
    /// [`Settings::tls`]: a file in PEM.
    #[must_use]
    pub fn root_certificate(&self) -> PathBuf {
        Certificates::in_folder(self.service.folder()).authority
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

    /// Where `psql`, `pg_dump` and the like of the same version are.
    #[must_use]
    pub fn program(name: &str) -> PathBuf {
        postgres_program(name)
    }

    fn dsn(&self, database: &str) -> String {
        format!("postgres://{OWNER}@127.0.0.1:{}/{database}", self.port())
    }

    async fn connect(&self, database: &str) -> Client {
        connect(&self.dsn(database)).await
    }
}

/// One database of a test server.
#[derive(Clone, Debug)]
pub struct Database {
    dsn: String,
    name: String,
    port: u16,
}

impl Database {
    /// `postgres://postgres@127.0.0.1:PORT/NAME`.
    #[must_use]
    pub fn dsn(&self) -> &str {
        &self.dsn
    }

    /// The same for another role and its password, as made by [`Postgres::role`].
    #[must_use]
    pub fn dsn_of(&self, role: &str, password: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// A connection as the owner; it lives as long as the runtime that this is called in.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn client(&self) -> Client {
        connect(&self.dsn).await
    }

    /// Runs one or more statements.
    ///
    /// # Panics
    /// When one of them fails, with the server's words.
    pub async fn execute(&self, sql: &str) {
        if let Err(error) = self.client().await.batch_execute(sql).await {
            panic!(
                "{}: {sql}",
                error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
            );
        }
    }

    /// The rows of one query as text, in the server's own spelling of each value: columns joined by
    /// `|`, NULL as `\N`. Comparing two tables is comparing two of these lists.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        let messages = match self.client().await.simple_query(sql).await {
            Ok(messages) => messages,
            Err(error) => panic!("{error}: {sql}"),
        };
        messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .map(|row| {
                (0..row.len())
                    .map(|column| row.get(column).unwrap_or("\\N"))
                    .collect::<Vec<_>>()
                    .join("|")
            })
            .collect()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's connection belongs to the test's own runtime"
)]
async fn connect(dsn: &str) -> Client {
    let (client, connection) =
        tokio_postgres::connect(dsn, NoTls).await.expect("cannot connect to the test Postgres");
    tokio::spawn(connection);
    client
}

/// How Postgres is started.
#[derive(Debug)]
struct PostgresRecipe {
    initdb: PathBuf,
    server: PathBuf,
    settings: Settings,
}

impl PostgresRecipe {
    fn new(settings: Settings) -> Self {
        Self { initdb: postgres_program("initdb"), server: postgres_program("postgres"), settings }
    }
}

impl Recipe for PostgresRecipe {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn prepare(&self, folder: &Path) {
        let data = folder.join("data");
        std::fs::create_dir(&data).expect("cannot make the data folder");
        give_to_server(folder);
        give_to_server(&data);
        let made = as_server(&self.initdb)
            .arg("-D")
            .arg(&data)
            .args(["-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .output()
            .expect("cannot start initdb");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));

        let mut text = String::new();
        if self.settings.tls {
            let certificates = Certificates::in_folder(folder);
            certificates.make();
            // The server refuses a key that others may read.
            give_to_server(&certificates.key);
            text.push_str("ssl = on\n");
            text.push_str(&format!("ssl_cert_file = '{}'\n", certificates.server.display()));
            text.push_str(&format!("ssl_key_file = '{}'\n", certificates.key.display()));
        }
        for (key, value) in &self.settings.lines {
            text.push_str(&format!("{key} = '{value}'\n"));
        }
        append(&data.join("postgresql.conf"), &text);
        let rules = data.join("pg_hba.conf");
        let given = std::fs::read_to_string(&rules).expect("initdb made no pg_hba.conf");
        let asked = format!("host all +{ASKED_FOR_PASSWORD} 127.0.0.1/32 scram-sha-256\n");
        std::fs::write(&rules, asked + &given).expect("cannot write pg_hba.conf");
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = as_server(&self.server);
        command
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
            .arg(folder);
        command
    }

    /// The server writes `ready` to the last line of its own pid file
    /// (`src/include/utils/pidfile.h` of Postgres). Its first line is the process, by which a file
    /// left by a killed server is told from the new one's.
    fn is_ready(&self, folder: &Path, port: u16, process: u32) -> bool {
        let Ok(text) = std::fs::read_to_string(folder.join("data/postmaster.pid")) else {
            return false;
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let (process, port) = (process.to_string(), port.to_string());
        [(0, process.as_str()), (3, port.as_str()), (7, "ready")]
            .iter()
            .all(|(at, word)| lines.get(*at) == Some(word))
    }

    /// "Immediate": no waiting for clients, but shared memory is given back.
    fn stop_signal(&self) -> (&'static str, Signal) {
        ("QUIT", Signal::QUIT)
    }
}

/// The server refuses to run as root; then it runs as the account that its package made.
fn as_server(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", OWNER, "--regid", OWNER, "--init-groups", "--"]).arg(program);
    // The home of whoever runs the tests may be closed to it.
    command.current_dir("/");
    command
}

fn give_to_server(folder: &Path) {
    if rustix::process::geteuid().is_root() {
        let (user, group) = account();
        chown(folder, Some(user), Some(group))
            .expect("cannot give a folder to the postgres account");
    }
}

/// User and group number of the server's account.
fn account() -> (u32, u32) {
    let text = std::fs::read_to_string("/etc/passwd").expect("cannot read /etc/passwd");
    text.lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&OWNER))
        .and_then(|fields| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))
        .expect("postgres is not installed: run `cargo xtask deps`")
}

fn append(path: &Path, text: &str) {
    let mut whole = std::fs::read_to_string(path).expect("initdb made no postgresql.conf");
    whole.push_str(text);
    std::fs::write(path, whole).expect("cannot write postgresql.conf");
}
