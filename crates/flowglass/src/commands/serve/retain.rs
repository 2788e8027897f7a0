//! What a server that stays removes from its store: runs that ended long ago, or that no longer fit.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use flowglass_model::LogLevel;
use flowglass_store::Retention;

use super::crew::Crew;

/// How often is looked for what may go.
const LOOK_EVERY: Duration = Duration::from_secs(15 * 60);

/// What is kept.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Keep {
    /// Remove runs that ended longer ago than this; without it they are kept for ever.
    #[arg(long, value_name = "DURATION", value_parser = super::start::parse_duration)]
    keep: Option<Duration>,
    /// Remove the oldest runs while the store fills more than this: `10GiB`.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    keep_bytes: Option<u64>,
}

fn parse_size(text: &str) -> Result<u64, String> {
    flowglass_manifest::parse_size(text)
}

impl Crew {
    /// Removes what the rules say, now and again, for ever.
    pub(super) async fn retain(self: &Arc<Self>, keep: Keep) {
        let rules = Retention { age_max: keep.keep, bytes_max: keep.keep_bytes };
        if rules.keeps_everything() {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            match self.session.store.prune(rules, self.now()).await {
                Ok(gone) if gone.runs == 0 => {}
                Ok(gone) => {
                    let (runs, events) = (gone.runs.to_string(), gone.events.to_string());
                    let facts = [("runs", &*runs), ("events", &*events)];
                    self.note(LogLevel::Info, "runs_removed", &facts);
                }
                Err(error) => {
                    let why = error.to_string();
                    self.note(LogLevel::Error, "runs_not_removed", &[("why", &why)]);
                }
            }
        }
    }
}
