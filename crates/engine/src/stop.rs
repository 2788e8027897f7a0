//! Asking work to stop, and why. A child hears its parent; a parent does not hear its child.

use std::sync::{Arc, OnceLock};

use flowglass_model::{ErrorClass, ErrorInfo, Reason};
use tokio_util::sync::CancellationToken;

/// Why work was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// Somebody asked.
    Cancelled,
    /// It took longer than its attempt may take.
    Timeout,
    /// The run took longer than it may take.
    RunTimeout,
    /// What we run on failed: the event log does not take events any more.
    Infra,
}

impl StopCause {
    /// The reason of the failed state.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Cancelled => Reason::Cancelled,
            Self::Timeout | Self::RunTimeout => Reason::Timeout,
            Self::Infra => Reason::Infra,
        }
    }

    /// The error of the work that was stopped.
    #[must_use]
    pub fn error(self) -> ErrorInfo {
        let (class, detail) = match self {
            Self::Cancelled => (ErrorClass::Cancelled, "stopped on request"),
            Self::Timeout => (ErrorClass::Timeout, "stopped after its `timeout`"),
            Self::RunTimeout => (ErrorClass::Timeout, "stopped after the run's `timeout`"),
            Self::Infra => (ErrorClass::Io, "stopped because the event log failed"),
        };
        ErrorInfo {
            class,
            detail: detail.to_owned(),
            // Only an attempt that ran out of its own time may be tried again.
            retryable: self == Self::Timeout,
            hint: Some(class.hint().to_owned()),
        }
    }
}

/// A request to stop that may come at any time, at most once per scope.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    cause: Arc<OnceLock<StopCause>>,
    parent: Option<Arc<Stop>>,
}

impl Stop {
    /// A request that nobody has made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A narrower scope.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
            cause: Arc::default(),
            parent: Some(Arc::new(self.clone())),
        }
    }

    /// Asks everything in this scope to stop. The first cause stays.
    pub fn ask(&self, cause: StopCause) {
        self.cause.get_or_init(|| cause);
        self.token.cancel();
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) -> StopCause {
        self.token.cancelled().await;
        self.cause().unwrap_or(StopCause::Cancelled)
    }

    /// Why it was asked, if it was.
    #[must_use]
    pub fn cause(&self) -> Option<StopCause> {
        if !self.token.is_cancelled() {
            return None;
        }
        let own = self.cause.get().copied();
        own.or_else(|| self.parent.as_ref().and_then(|it| it.cause()))
    }
}
