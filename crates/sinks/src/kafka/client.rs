//! librdkafka's properties, from what was configured.

use rdkafka::ClientConfig;

use super::config::{Compression, Mechanism, Settings};

/// What every client of a sink needs to reach the brokers.
pub(super) fn base(settings: &Settings) -> ClientConfig {
    let config = &settings.config;
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers);
    client.set("client.id", format!("flowglass-{}", config.id));
    client.set("socket.keepalive.enable", "true");
    // A connection that the other side has given up is tried again soon.
    client.set("reconnect.backoff.max.ms", "2000");
    let protocol = match (&config.sasl, &config.tls) {
        (None, None) => "plaintext",
        (None, Some(_)) => "ssl",
        (Some(_), None) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    if let Some(sasl) = &config.sasl {
        client.set(
            "sasl.mechanism",
            match sasl.mechanism {
                Mechanism::Plain => "PLAIN",
                Mechanism::ScramSha256 => "SCRAM-SHA-256",
                Mechanism::ScramSha512 => "SCRAM-SHA-512",
            },
        );
        client.set("sasl.username", &sasl.user);
        client.set("sasl.password", sasl.password.reveal());
    }
    if let Some(tls) = &config.tls {
        for (name, path) in [
            ("ssl.ca.location", &tls.ca_file),
            ("ssl.certificate.location", &tls.certificate_file),
            ("ssl.key.location", &tls.key_file),
        ] {
            if let Some(path) = path {
                client.set(name, path.to_string_lossy());
            }
        }
        if let Some(password) = &tls.key_password {
            client.set("ssl.key.password", password.reveal());
        }
    }
    // Of the further properties those that every kind of client takes; the producer takes all.
    for (name, value) in &config.kafka {
        let shared =
            ["ssl.", "sasl.", "security.", "broker.address", "socket.", "client.", "enable.ssl"];
        if shared.iter().any(|start| name.starts_with(start)) {
            client.set(name, value.text());
        }
    }
    client
}

/// For the producer. `alone` puts each message into a request of its own.
pub(super) fn producer(settings: &Settings, alone: bool) -> ClientConfig {
    let config = &settings.config;
    let mut client = base(settings);
    // The same key goes to the same partition as by Java's producer.
    client.set("partitioner", "murmur2_random");
    client.set(
        "compression.type",
        match config.compression {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        },
    );
    // Batches come whole, so that there is nothing to wait for.
    client.set("linger.ms", "1");
    client.set("statistics.interval.ms", "1000");
    client.set("message.timeout.ms", settings.timeout.as_millis().to_string());
    for (name, value) in &config.kafka {
        client.set(name, value.text());
    }
    client.set("enable.idempotence", "true");
    client.set("acks", "all");
    if config.exactly_once {
        client.set("transactional.id", transactional_id(settings));
        let timeout = settings.timeout.as_millis() * 2;
        client.set("transaction.timeout.ms", timeout.to_string());
    }
    if alone {
        client.set("batch.num.messages", "1");
    }
    client
}

/// For reading positions.
pub(super) fn consumer(settings: &Settings, isolation: &str) -> ClientConfig {
    let mut client = base(settings);
    for (name, value) in [
        // librdkafka gives no partition to a consumer without a group. Nothing is committed to it.
        ("group.id", "flowglass-positions"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("enable.partition.eof", "true"),
        ("auto.offset.reset", "error"),
        ("fetch.wait.max.ms", "10"),
        ("fetch.error.backoff.ms", "10"),
        ("isolation.level", isolation),
    ] {
        client.set(name, value);
    }
    client
}

/// The name by which a newer writer fences an older one.
pub(super) fn transactional_id(settings: &Settings) -> String {
    format!("flowglass-{}", settings.owner.replace('/', "-"))
}
