//! A child process: started and waited for on one thread of its own, so that the kernel's
//! accounting of exactly this child is read, and so that it dies when this process is killed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flowglass_connect::Fault;
use flowglass_model::ErrorClass;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::sync::oneshot;
use wait4::{ResUse, Wait4};

use super::CommandSpec;
use super::guard::{self, Guarded};

/// How a process ended and what it took.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) exit_code: Option<i32>,
    pub(super) signal: Option<String>,
    pub(super) cpu: Duration,
    pub(super) peak_rss_bytes: u64,
}

/// A process that was started.
pub(super) struct Process {
    group: Pid,
    pipes: Option<(OwnedFd, OwnedFd)>,
    done: oneshot::Receiver<std::io::Result<ResUse>>,
    over: bool,
    /// Last field of all: the group is under guard until it has been swept.
    _guarded: Guarded,
}

struct Started {
    group: Pid,
    guarded: Guarded,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Process {
    pub(super) async fn start(
        spec: &CommandSpec,
        env: BTreeMap<String, OsString>,
    ) -> Result<Self, Fault> {
        let (tell, started) = oneshot::channel();
        let (finish, done) = oneshot::channel();
        let command = prepare(spec, env);
        let thread = std::thread::Builder::new().name("command".to_owned());
        thread
            .spawn(move || start_and_wait(command, tell, finish))
            .map_err(|error| Fault::io("starting the thread of a command", error))?;
        let failed = |error: std::io::Error| not_started(spec, error);
        let gone = |_gone| Fault::new(ErrorClass::Internal, "the command's thread went away");
        let Started { group, guarded, stdout, stderr } =
            started.await.map_err(gone)?.map_err(failed)?;
        let pipes = Some((stdout, stderr));
        Ok(Self { group, pipes, done, over: false, _guarded: guarded })
    }

    /// The read ends of stdout and stderr, once.
    pub(super) fn take_pipes(&mut self) -> Option<(OwnedFd, OwnedFd)> {
        self.pipes.take()
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> Result<Ended, Fault> {
        let gone = |_gone| Fault::new(ErrorClass::Internal, "the command's thread went away");
        let used = (&mut self.done).await.map_err(gone)?;
        self.over = true;
        let used = used.map_err(|error| Fault::io("waiting for the command", error))?;
        Ok(Ended {
            exit_code: used.status.code(),
            signal: used.status.signal().map(signal_name),
            cpu: used.rusage.utime + used.rusage.stime,
            peak_rss_bytes: used.rusage.maxrss,
        })
    }

    /// Asks the whole process group to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Ends the whole process group.
    pub(super) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Ends what the command left behind in its group.
    pub(super) fn sweep(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone is what was wanted.
        killpg(self.group, signal).unwrap_or_default();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.over {
            self.kill();
        }
    }
}

fn prepare(spec: &CommandSpec, env: BTreeMap<String, OsString>) -> Command {
    let mut command = Command::new(&spec.program);
    command.args(&spec.args).envs(env).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if spec.through.is_some() { Stdio::inherit() } else { Stdio::null() });
    if let Some(cwd) = &spec.cwd {
        command.current_dir(cwd);
    }
    command.process_group(0);
    // Whatever runs between fork and exec makes the kernel copy the page tables of this whole
    // process for each command, so it is done only where nobody else would end the command.
    if !guard::is_watching() {
        die_with_this_thread(&mut command);
    }
    command
}

/// A command must not outlive a killed Flowglass: a resumed run would run it a second time beside
/// the first. Without a guard, the kernel ends at least the command itself. It sends the signal when
/// the *thread* that started it ends, which is why the same thread waits for it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "pre_exec has no safe form; the closure makes one system call only")]
fn die_with_this_thread(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe and the closure allocates nothing.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from)
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_this_thread(_command: &mut Command) {}

fn start_and_wait(
    mut command: Command,
    tell: oneshot::Sender<std::io::Result<Started>>,
    finish: oneshot::Sender<std::io::Result<ResUse>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return drop(tell.send(Err(error))),
    };
    let group = pid_of(&child);
    let guarded = Guarded::group(group);
    let Some((stdout, stderr)) = child.stdout.take().zip(child.stderr.take()) else {
        let lost = std::io::Error::other("the child has no pipes");
        return drop(tell.send(Err(lost)));
    };
    let (stdout, stderr) = (stdout.into(), stderr.into());
    if tell.send(Ok(Started { group, guarded, stdout, stderr })).is_err() {
        // Whoever wanted it went away meanwhile.
        killpg(group, Signal::SIGKILL).unwrap_or_default();
    }
    drop(finish.send(child.wait4()));
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

/// The number of a signal by its name, such as `SIGKILL`.
#[must_use]
pub fn signal_number(name: &str) -> Option<u8> {
    let known = name.parse::<Signal>().ok().map(|it| it as i32);
    let number = known.or_else(|| name.strip_prefix("SIG")?.parse().ok())?;
    u8::try_from(number).ok()
}

fn signal_name(number: i32) -> String {
    Signal::try_from(number)
        .map_or_else(|_unknown| format!("SIG{number}"), |it| it.as_str().to_owned())
}

fn not_started(spec: &CommandSpec, error: std::io::Error) -> Fault {
    let program = spec.program.to_string_lossy();
    let missing_dir = spec.cwd.as_ref().filter(|it| !it.is_dir());
    let doing = match missing_dir {
        Some(dir) => format!("starting `{program}` in `{}`, which is no folder", dir.display()),
        None => format!("starting `{program}`"),
    };
    Fault::new(ErrorClass::Spawn, doing).because(error)
}
