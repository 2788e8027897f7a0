//! A real Apache Kafka for tests: one process that is broker and controller (KRaft), from the jars
//! that `cargo xtask deps` copied from Maven Central.
//!
//! It has one listener for everybody, one that names a [`Proxy`] as its address (a client asks the
//! broker where it lives, so that a proxy in front of the first listener alone would be passed by),
//! and one that asks for a name and a password.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::Signal;

use crate::certificates::Certificates;
use crate::locate::program;
use crate::proxy::Proxy;
use crate::service::{Recipe, Service};

/// Any identifier does: each server has its own folder.
const CLUSTER: &str = "AAAAAAAAQACAAAAAAAAAAQ";

/// What the broker writes to its log when it serves, and what we write before each start of it, so
/// that the words of a process that was killed are not taken for those of the new one.
const STARTED: &str = "Kafka Server started";
const STARTS: &str = "=== starts";

/// The one account of the listener that asks for a password.
pub const KAFKA_USER: &str = "alice";
/// Its password, for PLAIN and for SCRAM.
pub const KAFKA_PASSWORD: &str = "alice-secret";

/// What to set before the broker starts.
#[derive(Clone, Debug, Default)]
pub struct KafkaSettings {
    lines: Vec<(String, String)>,
    fast: bool,
}

impl KafkaSettings {
    /// Sets one parameter of `server.properties`.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.lines.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A broker for measuring: it takes longer to start, then runs as fast as it can.
    #[must_use]
    pub const fn for_benchmarks(mut self) -> Self {
        self.fast = true;
        self
    }
}

/// A running Kafka.
#[derive(Debug)]
pub struct Kafka {
    service: Service<KafkaRecipe>,
}

impl Kafka {
    /// The broker that all tests of one test binary share. It stops when the test process ends.
    ///
    /// # Panics
    /// "kafka is not installed: run `cargo xtask deps`", or when it does not start.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(KafkaSettings::default()))
    }

    /// A broker for this test alone.
    ///
    /// # Panics
    /// As [`Kafka::shared`].
    #[must_use]
    pub fn start(settings: KafkaSettings) -> Self {
        let proxy = Proxy::new();
        let ports = Ports::free();
        proxy.forward_to(ports.proxied);
        let recipe = KafkaRecipe { java: program("java"), jars: jars(), settings, ports, proxy };
        Self { service: Service::start(recipe) }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.service.port())
    }

    /// The address behind [`Kafka::proxy`].
    #[must_use]
    pub fn proxied_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.proxy().port())
    }

    /// The network on the way to [`Kafka::proxied_brokers`].
    #[must_use]
    pub fn proxy(&self) -> &Proxy {
        &self.service.recipe().proxy
    }

    /// The address that asks for [`KAFKA_USER`] and [`KAFKA_PASSWORD`] by PLAIN, SCRAM-SHA-256 or
    /// SCRAM-SHA-512, without TLS.
    #[must_use]
    pub fn asking_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.service.recipe().ports.asking)
    }

    /// The address that takes TLS.
    #[must_use]
    pub fn tls_brokers(&self) -> String {
        format!("localhost:{}", self.service.recipe().ports.tls)
    }

    /// What a client of [`Kafka::tls_brokers`] must trust: a file in PEM.
    #[must_use]
    pub fn root_certificate(&self) -> PathBuf {
        Certificates::in_folder(self.service.folder()).authority
    }

    /// The number of its process, for figures of the CPU time that it took.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.service.process()
    }

    /// Kills the broker as a power cut would.
    pub fn kill(&mut self) {
        self.service.kill();
    }

    /// Stops the broker if it runs and starts it again, with the same data on the same ports.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn restart(&mut self) {
        self.service.restart();
    }
}

/// The ports beside the first one.
#[derive(Clone, Copy, Debug)]
struct Ports {
    proxied: u16,
    asking: u16,
    tls: u16,
    control: u16,
}

impl Ports {
    fn free() -> Self {
        // All are held at once, or the system could name one of them twice.
        let held = [(); 4].map(|()| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no free port on 127.0.0.1")
        });
        let [proxied, asking, tls, control] = held
            .each_ref()
            .map(|listener| listener.local_addr().expect("a bound listener has an address").port());
        Self { proxied, asking, tls, control }
    }
}

/// How Kafka is started.
#[derive(Debug)]
struct KafkaRecipe {
    java: PathBuf,
    jars: PathBuf,
    settings: KafkaSettings,
    ports: Ports,
    proxy: Proxy,
}

impl KafkaRecipe {
    fn java(&self, main_class: &str) -> Command {
        let mut command = Command::new(&self.java);
        if self.settings.fast {
            command.args(["-Xms512m", "-Xmx1g", "-XX:+UseG1GC"]);
        } else {
            // The compiler that starts fast, and a collector without threads of its own.
            command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms96m", "-Xmx384m"]);
        }
        command.args(["-Xshare:auto", "-XX:-UsePerfData"]);
        for (logger, level) in [
            ("defaultLogLevel", "warn"),
            ("log.kafka.server.KafkaRaftServer", "info"),
            // These warn of every client that goes away, which is what tests do all day.
            ("log.org.apache.kafka.common.network", "error"),
        ] {
            command.arg(format!("-Dorg.slf4j.simpleLogger.{logger}={level}"));
        }
        command.arg("-cp").arg(self.jars.join("*")).arg(main_class);
        command
    }

    fn properties(&self, folder: &Path, port: u16) -> String {
        let Ports { proxied, asking, tls, control } = self.ports;
        let proxy = self.proxy.port();
        let key_store = folder.join("server-both.pem");
        let data = folder.join("data");
        let (key_store, data) = (key_store.display(), data.display());
        let mut text = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{control}\n\
             listeners=CLIENT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxied},\
             ASKING://127.0.0.1:{asking},TLS://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{control}\n\
             advertised.listeners=CLIENT://127.0.0.1:{port},PROXIED://127.0.0.1:{proxy},\
             ASKING://127.0.0.1:{asking},TLS://localhost:{tls}\n\
             listener.security.protocol.map=CLIENT:PLAINTEXT,PROXIED:PLAINTEXT,\
             ASKING:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT\n\
             listener.name.tls.ssl.keystore.type=PEM\n\
             listener.name.tls.ssl.keystore.location={key_store}\n\
             log.dirs={data}\n"
        );
        text.push_str(FIXED);
        for (key, value) in &self.settings.lines {
            text.push_str(&format!("{key}={value}\n"));
        }
        text
    }
}

/// What is the same for every broker: one copy of everything, and short waits.
const FIXED: &str = "\
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.asking.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"alice-secret\";
listener.name.asking.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.asking.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
num.partitions=3
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
num.network.threads=2
num.io.threads=4
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=4000
log.cleaner.dedupe.buffer.size=4000000
log.segment.bytes=67108864
";

impl Recipe for KafkaRecipe {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn prepare(&self, folder: &Path) {
        let certificates = Certificates::in_folder(folder);
        certificates.make();
        let read =
            |path: &Path| std::fs::read_to_string(path).expect("openssl wrote a certificate");
        let both = read(&certificates.key) + &read(&certificates.server);
        std::fs::write(folder.join("server-both.pem"), both).expect("cannot write a key store");
        let file = folder.join("format.properties");
        // Formatting wants the same file as serving, but uses no port of it.
        std::fs::write(&file, self.properties(folder, 9092))
            .expect("cannot write format.properties");
        let made = self
            .java("kafka.tools.StorageTool")
            .args(["format", "--cluster-id", CLUSTER, "--config"])
            .arg(&file)
            .args(["SCRAM-SHA-256", "SCRAM-SHA-512"].iter().flat_map(|mechanism| {
                let user = format!("{mechanism}=[name={KAFKA_USER},password={KAFKA_PASSWORD}]");
                ["--add-scram".to_owned(), user]
            }))
            .output()
            .expect("cannot start java");
        assert!(
            made.status.success(),
            "formatting Kafka's folder failed: {}{}",
            String::from_utf8_lossy(&made.stdout),
            String::from_utf8_lossy(&made.stderr)
        );
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let file = folder.join("server.properties");
        std::fs::write(&file, self.properties(folder, port))
            .expect("cannot write server.properties");
        append(&folder.join("server.log"), &format!("{STARTS}\n"));
        let mut command = self.java("kafka.Kafka");
        command.arg(&file).current_dir(folder);
        command
    }

    fn is_ready(&self, folder: &Path, _port: u16, _process: u32) -> bool {
        let log = std::fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        log.rsplit(STARTS).next().is_some_and(|newest| newest.contains(STARTED))
    }

    /// A broker that leaves in order takes seconds to do so, and one that is killed loses nothing
    /// here: what it wrote is in the system's own memory.
    fn stop_signal(&self) -> (&'static str, Signal) {
        ("KILL", Signal::KILL)
    }
}

fn append(path: &Path, text: &str) {
    use std::io::Write;
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("cannot write the log of a test service");
}

/// Where `cargo xtask deps` put the jars: the repository's own target folder, whatever folder Cargo
/// builds in, so that they are fetched once.
fn jars() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = repository.join("target/kafka");
    let wanted = include_str!("../kafka/pom.xml");
    let there = std::fs::read_to_string(folder.join("pom.xml")).unwrap_or_default();
    assert!(there == wanted, "kafka is not installed: run `cargo xtask deps`");
    folder
}
