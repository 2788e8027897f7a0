//! The process's own accounting, read where the kernel writes it.

use flowglass_catalog::{KernelFacts, ProcessReading, Registry};

/// Reads the process anew at each scrape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    kernel: KernelFacts,
}

impl Process {
    /// Looks up what does not change while the process lives.
    pub(crate) fn new() -> Self {
        let small = |number: u64, usual: u32| u32::try_from(number).unwrap_or(usual);
        let usual = KernelFacts::default();
        let ticks = rustix::param::clock_ticks_per_second();
        let page = rustix::param::page_size() as u64;
        let boot = std::fs::read_to_string("/proc/stat").ok().and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
        });
        Self {
            kernel: KernelFacts {
                ticks_per_second: small(ticks, usual.ticks_per_second),
                page_bytes: small(page, usual.page_bytes),
                boot_unix_seconds: boot.unwrap_or_default(),
            },
        }
    }

    /// Puts the process's figures into the registry. What cannot be read keeps its last value.
    pub(crate) fn record(self, registry: &Registry) {
        let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
        let limits = std::fs::read_to_string("/proc/self/limits").ok();
        let mut reading = ProcessReading::parse(&stat, limits.as_deref(), self.kernel);
        // One of them is the listing itself.
        let open = std::fs::read_dir("/proc/self/fd").map(|it| it.count().saturating_sub(1));
        reading.open_fds = open.ok().map(|it| it as u64);
        reading.record(&registry.process());
    }
}
