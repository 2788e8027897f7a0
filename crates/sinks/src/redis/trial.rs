//! A stream of Redis to measure with, and removing it.

use std::sync::Arc;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_connect::stream::TrialPlaces;

use super::config::Settings;
use super::connection::Connection;

/// The stream and the position of a trial.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) settings: Arc<Settings>,
}

#[async_trait]
impl TrialPlaces for Keys {
    async fn remove(&self) -> Result<(), Fault> {
        let stream = format!("{}{}", self.settings.prefix, self.settings.form.route);
        // On a cluster the two may be on different nodes.
        for key in [&stream, &self.settings.position_key] {
            let mut connection = Connection::holding(key, &self.settings).await?;
            // Large streams are taken apart in the background.
            let asked = connection.ask(&[b"UNLINK", key.as_bytes()]).await?;
            asked.map_err(|refusal| refusal.fault(&format!("removing `{key}`")))?;
        }
        Ok(())
    }
}
