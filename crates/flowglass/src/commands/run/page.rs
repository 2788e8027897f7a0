//! `--metrics-addr`: what the run counts, for Prometheus, while it takes.

use anyhow::Context as _;
use flowglass_catalog::{MetricsFold, Prefix, Registry as Meters};
use flowglass_connect::Tasks;
use flowglass_engine::Listener;
use flowglass_model::Event;
use flowglass_server::MetricsServer;
use tokio::sync::oneshot;

use super::start::Session;
use crate::console;

/// A page that is being served, or none.
pub(super) struct Page {
    tasks: Tasks,
    over: Option<oneshot::Sender<()>>,
}

impl Page {
    /// Takes the address and answers from now on.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(super) async fn open(address: Option<&str>, session: &Session) -> anyhow::Result<Self> {
        let mut tasks = Tasks::new();
        let Some(address) = address else { return Ok(Self { tasks, over: None }) };
        let server = MetricsServer::bind(address, session.meters.clone(), Prefix::default())
            .await
            .context("`--metrics-addr` cannot be used")?;
        console::say(&format!("metrics: http://{}/metrics", server.address()));
        let (over, asked) = oneshot::channel::<()>();
        tasks.spawn("metrics-page", async move {
            let served = server.serve(async move { asked.await.unwrap_or_default() }).await;
            if let Err(error) = served {
                console::say(&format!("warning: the metrics page is gone: {error}"));
            }
        });
        Ok(Self { tasks, over: Some(over) })
    }

    /// Answers what was asked and no more.
    pub(super) async fn close(mut self) {
        let Some(over) = self.over.take() else { return };
        over.send(()).unwrap_or_default();
        // A scraper that keeps its connection must not keep the process.
        let patience = std::time::Duration::from_secs(1);
        tokio::time::timeout(patience, self.tasks.join_all()).await.unwrap_or_default();
    }
}

/// Counts the run's events as they are kept.
pub(super) struct Counted(MetricsFold);

impl Counted {
    pub(super) fn new(meters: &Meters) -> Self {
        Self(MetricsFold::new(meters.clone()))
    }
}

impl Listener for Counted {
    fn heard(&mut self, events: &[Event]) {
        for event in events {
            self.0.apply(event);
        }
    }
}
