//! From plan to a finished run: scheduler, delivery, ledger, lifecycle.
//!
//! The engine knows no connector and no exporter by name: work reaches systems through the
//! doorframes of `connect`, and what happens leaves as events through the [`Recorder`].

mod built;
mod check;
mod checks;
mod command;
mod copy;
mod recorder;
mod retry;
mod run;
mod runner;
mod schedule;
mod stop;
pub mod stream;
mod work;

pub use built::{BuildContext, BuildError, build};
pub use command::{CommandSpec, CommandWork, PassThrough, signal_number};
pub use copy::{ColumnMap, ColumnRule, CopySpec, CopyWork};
pub use recorder::{Keeper, Listener, RecordError, Recorder, error_info};
pub use retry::RetryRule;
pub use run::{Resumed, RunJob, lost_events, new_run_id, run};
pub use runner::{BuiltNode, BuiltPipeline, PipelineEnd, PipelineRun};
pub use schedule::{End, Schedule, Step, Task, When};
pub use stop::{Stop, StopCause};
pub use work::{Attempt, Facts, Failure, Finish, OpenStage, Work};
