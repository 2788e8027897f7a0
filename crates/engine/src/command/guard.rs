//! The guard: a small process beside this one that ends what commands started when this process is
//! killed and can do so itself no more.
//!
//! A resumed run would otherwise work beside commands of the killed one and what they started. The guard reads from a pipe which process groups run, and when
//! the pipe closes, for whatever reason, it kills those that are left. One guard serves the whole
//! process, so that a command costs two short writes and not one more process. It is a shell script,
//! since a shell starts in a millisecond and this program does not.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::Pid;

/// Lines are `+ GROUP` and `- GROUP`. Signals that mean the terminal or a service manager are not
/// the guard's: it ends with the pipe and not before.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=
while read -r sign group; do
    kept=
    for known in $groups; do
        [ "$known" = "$group" ] || kept="$kept $known"
    done
    groups=$kept
    [ "$sign" = + ] && groups="$groups $group"
done
for group in $groups; do
    kill -s KILL -- "-$group" 2>/dev/null
done
"#;

static GUARD: LazyLock<Mutex<Option<Child>>> = LazyLock::new(|| Mutex::new(start().ok()));

/// Whether a guard is there to end what this process leaves behind.
pub(super) fn is_watching() -> bool {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    guard.as_mut().is_some_and(|it| matches!(it.try_wait(), Ok(None)))
}

/// A process group under guard, until this value is dropped.
#[derive(Debug)]
pub(super) struct Guarded(Pid);

impl Guarded {
    /// Puts a group under guard. Without a shell there is none, and only the command itself dies
    /// with this process.
    pub(super) fn group(group: Pid) -> Self {
        tell('+', group);
        Self(group)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        tell('-', self.0);
    }
}

fn tell(sign: char, group: Pid) {
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(pipe) = guard.as_mut().and_then(|it| it.stdin.as_mut()) else { return };
    // One write, which a pipe takes whole or not at all. A guard that somebody ended, or stopped
    // until its pipe was full, guards no more, and holds nothing up.
    pipe.write_all(format!("{sign} {group}\n").as_bytes()).unwrap_or_default();
}

fn start() -> std::io::Result<Child> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT]).env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn()?;
    if let Some(pipe) = &child.stdin {
        fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok(child)
}
