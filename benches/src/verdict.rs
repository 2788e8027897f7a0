//! The table of a benchmark and its verdicts: each claim with its target, what was measured, and
//! `pass` or `MISSED`.

use crate::rounds::{Figures, Spread};
use crate::say;

/// The verdicts of all benchmarks that ran.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    missed: usize,
}

impl Verdicts {
    /// Whether no target was missed.
    pub(crate) fn all_passed(&self) -> bool {
        self.missed == 0
    }

    /// That the first figures are at least `target` times as fast as the second.
    pub(crate) fn ratio(&mut self, target: f64, ours: &Figures, theirs: &Figures) {
        let wall = ours.times_faster_than(theirs);
        let cpu = ours.times_less_cpu_than(theirs);
        let what = format!("{} is at least {target} x as fast as {}", ours.name, theirs.name);
        let measured = format!(
            "{:.2} x ({:.2} to {:.2} in {} rounds); {:.2} x by CPU seconds",
            wall.median,
            wall.min,
            wall.max,
            ours.used.len().min(theirs.used.len()),
            cpu.median
        );
        self.claim(wall.median >= target, &what, &measured);
    }

    /// That an arm stayed within its memory.
    pub(crate) fn memory(&mut self, ours: &Figures, most: u64) {
        let peak = ours.peak_bytes();
        let what = format!("{} stays under {} MiB", ours.name, most >> 20);
        self.claim(peak < most, &what, &format!("{} MiB", mebibytes(peak)));
    }

    /// That a figure is at least, or at most, so much.
    pub(crate) fn bound(&mut self, what: &str, measured: Spread, bound: Bound, unit: &str) {
        let good = match bound {
            Bound::AtLeast(least) => measured.median >= least,
            Bound::Under(most) => measured.median < most,
        };
        let measured =
            format!("{:.3} {unit} ({:.3} to {:.3})", measured.median, measured.min, measured.max);
        self.claim(good, what, &measured);
    }

    fn claim(&mut self, good: bool, what: &str, measured: &str) {
        self.missed += usize::from(!good);
        let verdict = if good { "pass" } else { "MISSED" };
        say::print(&format!("* {verdict}: {what}: {measured}\n"));
    }
}

/// Which side of a number is good.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// This or more.
    AtLeast(f64),
    /// Less than this.
    Under(f64),
}

/// Prints what the arms took. `items` is what a rate counts, such as rows.
pub(crate) fn table(title: &str, items: (u64, &str), figures: &[Figures]) {
    let (count, name) = items;
    say::print(&format!(
        "\n## {title}\n\n| arm | wall s, median (range) | {name}/s | CPU s | server's CPU s | peak MiB |\n\
         |---|---|---|---|---|---|\n"
    ));
    for arm in figures {
        let (wall, (cpu, server)) = (arm.wall(), arm.cpu());
        let rate = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / wall.median;
        say::print(&format!(
            "| {} | {:.3} ({:.3} to {:.3}) | {rate:.0} | {:.3} | {:.3} | {} |\n",
            arm.name,
            wall.median,
            wall.min,
            wall.max,
            cpu.median,
            server.median,
            mebibytes(arm.peak_bytes())
        ));
    }
    say::print("\n");
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
