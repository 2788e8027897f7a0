//! The processors of a stream at work, one after the other, each with its time measured.

use std::sync::Arc;

use flowglass_catalog::label::Processor;
use flowglass_catalog::{PipelineScope, TimingHandle};
use flowglass_connect::stream::{Processing, Refused, RefusedRow, StreamBatch, StreamProcessor};
use flowglass_connect::{Clock, Fault};
use flowglass_model::{ErrorClass, Policy};

/// Remarks that are kept for people; more of them than this nobody reads.
const REMARKS_MAX: usize = 100;

/// The processors of a running stream.
#[derive(Default)]
pub(super) struct Processors {
    steps: Vec<Step>,
    remarks: Vec<String>,
}

struct Step {
    id: String,
    work: Box<dyn Processing>,
    latency: TimingHandle,
}

impl Processors {
    /// Begins the work of each.
    ///
    /// # Errors
    /// What stands in the way of one.
    pub(super) fn open(
        processors: &[Arc<dyn StreamProcessor>],
        meters: &PipelineScope,
    ) -> Result<Self, Fault> {
        let step = |it: &Arc<dyn StreamProcessor>| {
            let id = it.id().to_owned();
            let latency = meters.processor_latency_seconds(Processor(&id));
            Ok(Step { work: it.open()?, latency, id })
        };
        let steps = processors.iter().map(step).collect::<Result<_, Fault>>()?;
        Ok(Self { steps, remarks: Vec::new() })
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Sends a batch through all of them.
    ///
    /// # Errors
    /// When one of them can do nothing, or breaks the rule of one change for one.
    pub(super) async fn run(
        &mut self,
        mut batch: StreamBatch,
        clock: &dyn Clock,
    ) -> Result<StreamBatch, Fault> {
        for step in &mut self.steps {
            let (since, spanned) = (clock.monotonic(), batch.spanned());
            batch = step.work.process(batch).await?;
            step.latency.observe(clock.monotonic().saturating_sub(since));
            if batch.spanned() != spanned {
                let (id, now) = (&step.id, batch.spanned());
                let said = format!("processor `{id}` made {now} changes of {spanned}");
                return Err(Fault::new(ErrorClass::Internal, said));
            }
            let room = REMARKS_MAX.saturating_sub(self.remarks.len());
            self.remarks.extend(step.work.remarks().into_iter().take(room));
        }
        Ok(batch)
    }

    /// What people should know, from the beginning on.
    pub(super) fn remarks(&self) -> &[String] {
        &self.remarks
    }
}

/// The rows of a batch that processors refused, in the form in which a sink refuses its own.
#[must_use]
pub(super) fn refused_of(batch: &StreamBatch) -> Vec<Refused> {
    let refused = |(change, row): (usize, &RefusedRow)| {
        let class = row.fault.class();
        // A row that is refused is set aside, whatever else its class would ask for.
        let class = if class.policy() == Policy::SetAside { class } else { ErrorClass::Malformed };
        let said = format!("processor `{}`: {}", row.processor, row.fault.chain());
        Refused { change, fault: Fault::new(class, said).hint(row.fault.advice()) }
    };
    batch.refused().map(refused).collect()
}
