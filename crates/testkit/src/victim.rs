//! Kill −9 at a chosen instant: the process dies between any two instructions and gets to say
//! nothing.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::wait::now;

/// How a victim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// We killed it.
    Killed,
    /// It was done before its time came.
    Ended(ExitStatus),
}

/// A process in a group of its own, which will be killed. Dropping it kills it too.
#[derive(Debug)]
pub struct Victim {
    child: Child,
    /// Set once it was waited for: from then on the kernel may give its number to another process.
    gone: Option<Fate>,
}

impl Victim {
    /// Starts it. Its streams are as the command says.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        Ok(Self { child: command.process_group(0).spawn()?, gone: None })
    }

    /// Its process id, which is its group's too.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it live for `delay` at most, to the nearest fifth of a millisecond, and then kills its
    /// whole group.
    pub fn kill_after(mut self, delay: Duration) -> Fate {
        let start = now();
        while start.elapsed() < delay {
            if let Some(fate) = self.look() {
                return fate;
            }
            let left = delay.saturating_sub(start.elapsed());
            std::thread::sleep(left.min(Duration::from_micros(200)));
        }
        self.kill()
    }

    /// Kills it as soon as `seen` is true, looking without pause, so that the blow falls close to
    /// what was seen.
    pub fn kill_when(mut self, mut seen: impl FnMut() -> bool) -> Fate {
        while !seen() {
            if let Some(fate) = self.look() {
                return fate;
            }
            std::thread::yield_now();
        }
        self.kill()
    }

    fn look(&mut self) -> Option<Fate> {
        if self.gone.is_none() {
            self.gone = self.child.try_wait().ok().flatten().map(Fate::Ended);
        }
        self.gone
    }

    fn kill(&mut self) -> Fate {
        if let Some(fate) = self.look() {
            return fate;
        }
        // It cannot have been reaped, so the group is still its own.
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).ok();
        let status = self.child.wait();
        let fate = match status {
            // It may have ended by itself between the look and the blow.
            Ok(status) if status.code().is_some() => Fate::Ended(status),
            _ => Fate::Killed,
        };
        self.gone = Some(fate);
        fate
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}
