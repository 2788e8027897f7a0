//! A batch's way through the processors, while the coordinator goes on listening to its lanes.

use flowglass_connect::Fault;
use flowglass_connect::stream::StreamBatch;

use super::Coordinator;

impl Coordinator<'_> {
    /// What the processors make of a batch; `None` when somebody asked to stop before they were done.
    pub(super) async fn processed(
        &mut self,
        batch: StreamBatch,
    ) -> Result<Option<StreamBatch>, Fault> {
        if self.processors.is_empty() {
            return Ok(Some(batch));
        }
        let mut processors = std::mem::take(&mut self.processors);
        let told = processors.remarks().len();
        let (stop, job) = (self.stop, self.job);
        let done = {
            let mut work = std::pin::pin!(processors.run(batch, job.clock.as_ref()));
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => break done?,
                    report = self.reports.recv() => self.heard(report)?,
                    _ = stop.asked(), if !self.finishing => {
                        self.cut_short = true;
                        return Ok(None);
                    }
                }
            }
        };
        if processors.remarks().len() > told {
            self.status.send_modify(|status| status.remarks = processors.remarks().to_vec());
        }
        self.processors = processors;
        Ok(Some(done))
    }
}
