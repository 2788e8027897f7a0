//! Topics before their first record: a name that Kafka takes, and the topic itself where we are to
//! make it.

use std::collections::HashSet;

use flowglass_connect::Fault;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::client;
use super::config::Settings;
use super::errors::{fault, of_code};

/// Longer names make file names that are too long.
const NAME_BYTES_MAX: usize = 249;

/// Whether Kafka takes it as the name of a topic.
pub(super) fn is_name(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(fine)
        && !matches!(name, "." | "..")
}

/// Topics that were seen to.
#[derive(Debug, Default)]
pub(super) struct Topics {
    seen: HashSet<String>,
}

impl Topics {
    /// Makes the topic if it is missing and we are to make it. Blocks.
    ///
    /// # Errors
    /// What the broker says against it.
    pub(super) fn see_to(&mut self, name: &str, settings: &Settings) -> Result<(), Fault> {
        if self.seen.contains(name) {
            return Ok(());
        }
        if let Some(wanted) = &settings.config.create_topics {
            let copies = wanted.replication_factor.map_or(-1, i32::from);
            let partitions = i32::from(wanted.partitions);
            let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(copies));
            for (key, value) in &wanted.config {
                topic = topic.set(key, value);
            }
            create(&topic, settings, false)?;
        }
        self.seen.insert(name.to_owned());
        Ok(())
    }
}

/// Makes a topic; one that is there is left as it is. `only_ask` makes nothing. Blocks.
///
/// # Errors
/// What the broker says against it.
pub(super) fn create(
    topic: &NewTopic<'_>,
    settings: &Settings,
    only_ask: bool,
) -> Result<(), Fault> {
    let doing = || format!("making the topic `{}`", topic.name);
    let admin: AdminClient<DefaultClientContext> =
        AdminClient::from_config(&client::base(settings)).map_err(|error| fault(doing(), error))?;
    let options = AdminOptions::new()
        .request_timeout(Some(settings.timeout))
        .operation_timeout(Some(settings.timeout))
        .validate_only(only_ask);
    let made = futures::executor::block_on(admin.create_topics([topic], &options))
        .map_err(|error| fault(doing(), error))?;
    match made.into_iter().next() {
        None | Some(Ok(_) | Err((_, Code::TopicAlreadyExists))) => Ok(()),
        Some(Err((_, code))) => Err(of_code(doing(), code)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_that_kafka_takes() {
        for name in ["public.orders", "A-b_c", &"x".repeat(249)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "a b", "öl", "a/b", &"x".repeat(250)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
