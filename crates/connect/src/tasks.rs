//! Tasks have a name and an owner: dropping the owner ends every task that it holds.

use std::future::Future;

use tokio::task::JoinSet;

/// A set of named tasks. Dropping it cancels those that still run.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<&'static str>,
}

impl Tasks {
    /// An owner without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `work` under `name`.
    pub fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.set.spawn(async move {
            work.await;
            name
        });
    }

    /// Waits for the next task to end. `Ok` is its name; `Err` says that it panicked.
    pub async fn next(&mut self) -> Option<Result<&'static str, String>> {
        loop {
            return match self.set.join_next().await? {
                Ok(name) => Some(Ok(name)),
                Err(error) if error.is_cancelled() => continue,
                Err(error) => Some(Err(error.to_string())),
            };
        }
    }

    /// Waits until every task has ended.
    pub async fn join_all(&mut self) {
        while self.next().await.is_some() {}
    }
}
