//! Command nodes: a program in a process group of its own, its output captured line by line, its
//! CPU time and peak memory from the kernel, and a channel on which it can tell rows, datasets
//! and progress.

mod channel;
mod guard;
mod output;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flowglass_connect::Fault;
use flowglass_model::{ErrorClass, LogStream, Reason, State};

use crate::stop::StopCause;
use crate::work::{Attempt, Facts, Failure, Finish, Work};

use channel::Channel;
use output::Capture;
pub use process::signal_number;
use process::{Ended, Process};

/// A command to run.
#[derive(Clone)]
pub struct CommandSpec {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables on top of this process's own environment.
    pub env: BTreeMap<String, String>,
    /// The working folder.
    pub cwd: Option<PathBuf>,
    /// Exit codes that mean success.
    pub success_codes: BTreeSet<u8>,
    /// Exit codes that mean success with something to look at.
    pub warning_codes: BTreeSet<u8>,
    /// Time between TERM and KILL.
    pub stop_grace: Duration,
    /// Whether it reads this process's standard input, and whether its output is passed on.
    pub through: Option<Arc<dyn PassThrough>>,
}

/// Takes a command's output besides the log, byte for byte and at once.
pub trait PassThrough: Send + Sync {
    /// Takes the next bytes of a stream.
    fn pass(&self, stream: LogStream, bytes: &[u8]);
}

/// The work of a command node.
pub struct CommandWork {
    spec: CommandSpec,
}

impl CommandWork {
    /// The work of running `spec` once per attempt.
    #[must_use]
    pub fn new(spec: CommandSpec) -> Self {
        Self { spec }
    }

    fn environment(&self, at: &Attempt, channel: &Channel) -> BTreeMap<String, OsString> {
        let mut env: BTreeMap<String, OsString> =
            self.spec.env.iter().map(|(key, value)| (key.clone(), value.into())).collect();
        let (span, _parent) = at.scope.spans(flowglass_model::Entity::Attempt);
        let traceparent = format!("00-{}-{span}-01", at.scope.run_id.trace_id());
        let told = [
            ("TRACEPARENT", traceparent),
            ("FLOWGLASS_RUN_ID", at.scope.run_id.to_string()),
            ("FLOWGLASS_PIPELINE", at.scope.pipeline_id.to_string()),
            (
                "FLOWGLASS_NODE",
                at.scope.node_id.as_ref().map(ToString::to_string).unwrap_or_default(),
            ),
            ("FLOWGLASS_ATTEMPT", at.number.to_string()),
        ];
        env.extend(told.map(|(key, value)| (key.to_owned(), value.into())));
        env.insert("FLOWGLASS_EVENTS".to_owned(), channel.path().into());
        env
    }

    /// Waits for the process, asking it to stop when the attempt is asked to; says whether it was.
    async fn wait(&self, at: &Attempt, process: &mut Process) -> Result<(Ended, bool), Fault> {
        tokio::select! {
            ended = process.ended() => return Ok((ended?, false)),
            _cause = at.stop.asked() => process.terminate(),
        }
        tokio::select! {
            ended = process.ended() => return Ok((ended?, true)),
            () = tokio::time::sleep(self.spec.stop_grace) => process.kill(),
        }
        Ok((process.ended().await?, true))
    }

    async fn run(&self, at: &Attempt) -> Result<Finish, Failure> {
        let channel = Channel::open(&at.around.scratch_dir, at)?;
        let env = self.environment(at, &channel);
        let mut process = Process::start(&self.spec, env).await?;
        let capture = Capture::start(at, &mut process, self.spec.through.as_ref())?;
        let listening = channel.listen(at.clone());
        let ended = self.wait(at, &mut process).await;
        process.sweep();
        capture.finish().await?;
        let told = listening.finish().await?;
        let (ended, stopped) = ended?;
        let mut facts = Facts {
            exit_code: ended.exit_code,
            signal: ended.signal.clone(),
            counts: told.counts,
            inputs: told.inputs,
            outputs: told.outputs,
            attributes: told.attributes,
        };
        facts
            .attributes
            .insert("cpu_seconds".to_owned(), format!("{:.6}", ended.cpu.as_secs_f64()));
        facts.attributes.insert("peak_rss_bytes".to_owned(), ended.peak_rss_bytes.to_string());
        if stopped {
            // Whatever its exit code says: a program that ends well when it is asked to end has not
            // done its work, and a resumed run must not take it as done.
            let cause = at.stop.cause().unwrap_or(StopCause::Cancelled);
            return Err(Failure { facts, error: cause.error(), reason: cause.reason() });
        }
        self.judge(&ended, facts)
    }

    #[expect(clippy::result_large_err, reason = "once an attempt, and every caller boxes it")]
    fn judge(&self, ended: &Ended, facts: Facts) -> Result<Finish, Failure> {
        let listed = |codes: &BTreeSet<u8>| {
            ended
                .exit_code
                .and_then(|it| u8::try_from(it).ok())
                .is_some_and(|it| codes.contains(&it))
        };
        if listed(&self.spec.success_codes) {
            return Ok(Finish { facts, warning: false });
        }
        if listed(&self.spec.warning_codes) {
            return Ok(Finish { facts, warning: true });
        }
        let program = self.spec.program.to_string_lossy();
        let fault = match (&ended.signal, ended.exit_code) {
            (Some(signal), _) => {
                Fault::new(ErrorClass::Signal, format!("`{program}` was ended by {signal}"))
            }
            (None, code) => {
                let code = code.unwrap_or_default();
                Fault::new(ErrorClass::ExitCode, format!("`{program}` ended with exit code {code}"))
            }
        };
        Err(Failure { facts, ..Failure::from(fault) })
    }
}

#[async_trait]
impl Work for CommandWork {
    async fn attempt(&self, at: &Attempt) -> Result<Finish, Failure> {
        let stage = at.stage_begins("command").await?;
        let result = self.run(at).await;
        let to = match &result {
            Ok(finish) if finish.warning => (State::Complete, Reason::Warning),
            Ok(_) => (State::Complete, Reason::Ok),
            Err(failure) => {
                (State::Failed, at.stop.cause().map_or(failure.reason, StopCause::reason))
            }
        };
        let counts = match &result {
            Ok(finish) => finish.facts.counts,
            Err(failure) => failure.facts.counts,
        };
        at.stage_ends(&stage, to, counts).await?;
        result
    }
}
