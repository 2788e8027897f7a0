//! A schema to measure with, and removing it.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_clients::postgres::quote;
use flowglass_connect::Fault;
use flowglass_connect::stream::TrialPlaces;

use super::config::Settings;
use super::session::Limited;

/// The schema of a trial: it holds the tables and the position.
#[derive(Debug)]
pub(super) struct TrialSchema {
    pub(super) settings: Arc<Settings>,
}

#[async_trait]
impl TrialPlaces for TrialSchema {
    async fn remove(&self) -> Result<(), Fault> {
        let session = Limited::connect(&self.settings.address, self.settings.timeout).await?;
        let schema = quote(&self.settings.positions_schema);
        let doing = format!("removing the schema {schema}");
        session.run(&doing, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await
    }
}
