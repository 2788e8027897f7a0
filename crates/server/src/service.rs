//! What all requests share: the store, the fleet, the registry, limits, and what is kept for a while.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowglass_catalog::{MetricsFold, Prefix, Registry};
use flowglass_connect::{Clock, Tasks};
use flowglass_store::Store;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::access::Access;
use crate::api::idempotency::Answers;
use crate::api::snapshots::Snapshots;
use crate::fleet::Fleet;
use crate::health::Readiness;
use crate::journal::Journal;
use crate::metrics::Page;
use crate::sampler::Samples;

/// What the binary hands over.
pub struct Parts {
    /// The history.
    pub store: Arc<Store>,
    /// Where numbers are counted.
    pub meters: Registry,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who runs the pipelines.
    pub fleet: Arc<dyn Fleet>,
    /// Where the server's log goes.
    pub journal: Arc<dyn Journal>,
    /// Who may do what.
    pub access: Access,
    /// Version and revision of this build.
    pub build: (&'static str, &'static str),
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("build", &self.build).finish_non_exhaustive()
    }
}

/// What can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Requests that are worked on at once; streams to viewers count apart.
    pub requests_max: usize,
    /// Streams to viewers at once.
    pub viewers_max: usize,
    /// The largest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// An answer has to begin within this time.
    pub answer_within: Duration,
    /// A viewer that takes nothing for so long is cut off.
    pub viewer_patience: Duration,
    /// How often a silent stream says that it is alive.
    pub heartbeat: Duration,
    /// What metric names begin with.
    pub prefix: Prefix,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            requests_max: 512,
            viewers_max: 256,
            body_bytes_max: 16 << 20,
            answer_within: Duration::from_secs(30),
            viewer_patience: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            prefix: Prefix::default(),
        }
    }
}

/// The server's inside, shared by all requests.
pub struct Service {
    pub(crate) store: Arc<Store>,
    pub(crate) meters: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fleet: Arc<dyn Fleet>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) access: Access,
    pub(crate) options: Options,
    pub(crate) build: (&'static str, &'static str),
    pub(crate) started_at: Timestamp,
    pub(crate) started: Duration,
    pub(crate) places: Semaphore,
    pub(crate) viewers: Arc<Semaphore>,
    pub(crate) closing: watch::Sender<bool>,
    /// The tasks that feed viewers; they end with their connection.
    pub(crate) feeders: Mutex<Tasks>,
    /// One OpenLineage event at a time.
    pub(crate) lineage: tokio::sync::Mutex<()>,
    /// What counts the events of other programs' runs.
    pub(crate) foreign: Mutex<Option<MetricsFold>>,
    pub(crate) page: Page,
    pub(crate) samples: Samples,
    pub(crate) snapshots: Snapshots,
    pub(crate) answers: Answers,
    pub(crate) readiness: Readiness,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("build", &self.build).finish_non_exhaustive()
    }
}

impl Service {
    /// A service that is not started up yet: `/startup` and `/ready` say so until
    /// [`Service::started_up`].
    #[must_use]
    pub fn new(parts: Parts, options: Options) -> Arc<Self> {
        Arc::new(Self {
            started_at: parts.clock.now(),
            started: parts.clock.monotonic(),
            places: Semaphore::new(options.requests_max),
            viewers: Arc::new(Semaphore::new(options.viewers_max)),
            closing: watch::Sender::new(false),
            feeders: Mutex::default(),
            lineage: tokio::sync::Mutex::default(),
            foreign: Mutex::default(),
            page: Page::new(parts.meters.clone(), options.prefix.clone()),
            samples: Samples::default(),
            snapshots: Snapshots::default(),
            answers: Answers::default(),
            readiness: Readiness::default(),
            store: parts.store,
            meters: parts.meters,
            clock: parts.clock,
            fleet: parts.fleet,
            journal: parts.journal,
            access: parts.access,
            build: parts.build,
            options,
        })
    }

    /// Everything that had to be done first is done.
    pub fn started_up(&self) {
        self.readiness.started_up();
    }

    /// From now on `/ready` says 503, and streams to viewers end. Requests are still answered.
    pub fn drain(&self) {
        self.readiness.drain();
        self.closing.send_replace(true);
    }

    /// Seconds since the service was made.
    pub(crate) fn uptime_seconds(&self) -> f64 {
        self.clock.monotonic().saturating_sub(self.started).as_secs_f64()
    }
}
