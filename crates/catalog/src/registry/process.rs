//! The process as the kernel sees it.
//!
//! Nothing here opens a file: the caller reads `/proc/self/stat`, `/proc/self/limits`, counts
//! `/proc/self/fd` and hands the texts in. Field numbers are those of proc_pid_stat(5).

use std::time::Duration;

use crate::label::{Revision, Version};

use super::scope::ProcessScope;

/// What the kernel counts in. The usual values on Linux are 100 ticks and 4,096 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelFacts {
    /// Clock ticks in a second (`sysconf(_SC_CLK_TCK)`).
    pub ticks_per_second: u32,
    /// Bytes in a page (`sysconf(_SC_PAGESIZE)`).
    pub page_bytes: u32,
    /// When the machine was started, in epoch seconds (`btime` of `/proc/stat`).
    pub boot_unix_seconds: u64,
}

impl Default for KernelFacts {
    fn default() -> Self {
        Self { ticks_per_second: 100, page_bytes: 4_096, boot_unix_seconds: 0 }
    }
}

/// One reading of the process's own accounting; what could not be read is `None` and leaves its
/// metric as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessReading {
    /// User and system processor time so far.
    pub cpu: Option<Duration>,
    /// Resident memory.
    pub resident_bytes: Option<u64>,
    /// Virtual memory.
    pub virtual_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When the process started, in epoch seconds.
    pub start_unix_seconds: Option<f64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// File descriptors that may be open, by the soft limit; `None` also when unlimited.
    pub max_fds: Option<u64>,
}

impl ProcessReading {
    /// Reads the text of `/proc/self/stat` and, when there is one, of `/proc/self/limits`.
    #[must_use]
    pub fn parse(stat: &str, limits: Option<&str>, kernel: KernelFacts) -> Self {
        // The second field is the program's name in parentheses, which may itself hold spaces and
        // parentheses.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first field after the name is number 3.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = |count: u64| ticks(count, kernel.ticks_per_second);
        let boot =
            (kernel.boot_unix_seconds > 0).then(|| Duration::from_secs(kernel.boot_unix_seconds));
        Self {
            cpu: number(14)
                .zip(number(15))
                .and_then(|(user, system)| ticks(user.checked_add(system)?)),
            threads: number(20),
            start_unix_seconds: boot
                .zip(number(22).and_then(ticks))
                .map(|(boot, after)| (boot + after).as_secs_f64()),
            virtual_bytes: number(23),
            resident_bytes: number(24)
                .and_then(|pages| pages.checked_mul(u64::from(kernel.page_bytes))),
            open_fds: None,
            max_fds: limits.and_then(soft_fd_limit),
        }
    }

    /// Puts the reading on the page.
    pub fn record(&self, process: &ProcessScope) {
        if let Some(cpu) = self.cpu {
            process.process_cpu_seconds_total().raise_to(cpu);
        }
        if let Some(start) = self.start_unix_seconds {
            process.process_start_time_seconds().set(start);
        }
        let gauges = [
            (self.resident_bytes, process.process_resident_memory_bytes()),
            (self.virtual_bytes, process.process_virtual_memory_bytes()),
            (self.threads, process.process_threads()),
            (self.open_fds, process.process_open_fds()),
            (self.max_fds, process.process_max_fds()),
        ];
        for (value, gauge) in gauges {
            if let Some(value) = value {
                gauge.set_count(value);
            }
        }
    }
}

impl ProcessScope {
    /// Says which build this is; once, at the start.
    pub fn record_build(&self, version: &str, revision: &str) {
        self.build_info(Version(version), Revision(revision)).set(1.0);
    }
}

fn ticks(count: u64, per_second: u32) -> Option<Duration> {
    let seconds = count.checked_div(u64::from(per_second))?;
    let rest = count.checked_rem(u64::from(per_second))?;
    Some(Duration::from_secs(seconds) + Duration::from_secs(rest).checked_div(per_second)?)
}

fn soft_fd_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "4242 (flow) glass (x) S 1 4242 4242 0 -1 4194560 900 0 3 0 250 175 0 0 20 0 7 0 1234 \
        987654144 2560 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";

    #[test]
    fn the_kernels_text_is_read_field_by_field() {
        let kernel = KernelFacts { boot_unix_seconds: 1_700_000_000, ..KernelFacts::default() };
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288  files\n";
        let reading = ProcessReading::parse(STAT, Some(limits), kernel);
        assert_eq!(reading.cpu, Some(Duration::from_millis(4_250)));
        assert_eq!(reading.resident_bytes, Some(2_560 * 4_096));
        assert_eq!(reading.virtual_bytes, Some(987_654_144));
        assert_eq!(reading.threads, Some(7));
        assert_eq!(reading.start_unix_seconds, Some(1_700_000_012.34));
        assert_eq!(reading.max_fds, Some(1_024));
    }

    #[test]
    fn a_text_that_says_nothing_reads_as_nothing() {
        for stat in ["", ")", "1 (x", "1 (x) S one two"] {
            let reading = ProcessReading::parse(
                stat,
                Some("Max open files unlimited"),
                KernelFacts::default(),
            );
            assert_eq!(reading, ProcessReading::default(), "{stat:?}");
        }
        let no_ticks = KernelFacts { ticks_per_second: 0, ..KernelFacts::default() };
        assert_eq!(ProcessReading::parse(STAT, None, no_ticks).cpu, None);
    }
}
