//! The guard that cleans up after a test process, however that process ends.
//!
//! A shared server lives in a `static`, and Rust drops no statics; a test process may also be
//! killed by a person, by a time limit or by the kernel. So each service has a guard: a ten-line
//! shell that reads a pipe whose other end only the test process holds. When that end closes, for
//! whatever reason, the guard stops the service's process group and removes its folder. The
//! kernel's parent-death signal was refused for this: it fires when the *thread* that started the
//! child ends, and each test runs on a thread of its own; nor does it remove a folder.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Reads the newest process group to stop from its input; at the end of input, stops it and removes
/// the folder.
const SCRIPT: &str = r#"
folder=$1 signal=$2 group=
while read -r line; do group=$line; done
if [ -n "$group" ]; then
  kill -s "$signal" -- "-$group" 2>/dev/null
  tries=0
  while [ "$tries" -lt 50 ] && kill -0 -- "-$group" 2>/dev/null; do sleep 0.1; tries=$((tries + 1)); done
  kill -s KILL -- "-$group" 2>/dev/null
fi
rm -rf -- "$folder"
"#;

/// A running guard. Dropping it is the same as the death of the process that holds it.
#[derive(Debug)]
pub struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Starts a guard over `folder`, which it will remove, and over no process yet.
    ///
    /// # Panics
    /// When there is no shell to start.
    #[must_use]
    pub fn over(folder: &Path, stop_signal: &str) -> Self {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(folder)
            .arg(stop_signal)
            .stdin(Stdio::piped())
            // An inherited output would keep `cargo test | tee` waiting for the guard.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of the terminal's group, so that Ctrl-C ends the tests and not their guard.
            .process_group(0)
            .spawn()
            .expect("cannot start /bin/sh to guard a test service");
        Self { shell }
    }

    /// Names the process group that is to be stopped at the end; `None` when there is none any
    /// more.
    pub fn guard(&mut self, group: Option<u32>) {
        let line = group.map_or_else(|| "\n".to_owned(), |id| format!("{id}\n"));
        if let Some(pipe) = &mut self.shell.stdin {
            pipe.write_all(line.as_bytes()).expect("the guard of a test service has died");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Waiting makes the removal visible to whoever runs after; a guard that cannot be waited
        // for is gone already.
        self.shell.wait().ok();
    }
}
