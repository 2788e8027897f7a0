//! Topics to measure with, and removing them.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::TrialPlaces;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::client;
use super::config::Settings;
use super::errors::{fault, of_code};
use crate::messages::ask;

/// The topics of a trial.
#[derive(Debug)]
pub(super) struct TrialTopics {
    pub(super) settings: Arc<Settings>,
}

#[async_trait]
impl TrialPlaces for TrialTopics {
    async fn remove(&self) -> Result<(), Fault> {
        let settings = Arc::clone(&self.settings);
        ask("kafka sink", move || remove(&settings)).await
    }
}

/// Removes the topics that were made. Blocks.
fn remove(settings: &Settings) -> Result<(), Fault> {
    let doing = |name: &str| format!("removing the topic `{name}`");
    let topic = settings.config.topic.as_str();
    let admin: AdminClient<DefaultClientContext> =
        AdminClient::from_config(&client::base(settings))
            .map_err(|error| fault(doing(topic), error))?;
    let options = AdminOptions::new()
        .request_timeout(Some(settings.timeout))
        .operation_timeout(Some(settings.timeout));
    let names = [topic, settings.config.positions_topic.as_str()];
    let removed = futures::executor::block_on(admin.delete_topics(&names, &options))
        .map_err(|error| fault(doing(topic), error))?;
    for (name, said) in names.iter().zip(removed) {
        match said {
            Ok(_) | Err((_, Code::UnknownTopicOrPartition | Code::UnknownTopic)) => {}
            Err((_, code)) => return Err(of_code(doing(name), code)),
        }
    }
    Ok(())
}
