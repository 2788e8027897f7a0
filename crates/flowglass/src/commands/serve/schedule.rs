//! When a workflow is started by itself.
//!
//! Times are those of the time zone that the manifest names: where clocks go forward, a time that does
//! not exist is taken at the next one that does; where they go back, a time that comes twice is taken
//! once, unless it is one of a repeating pattern (as in vixie cron). Times that passed while the server
//! was down are made up for by one run, at the start; a time at which the run before still goes on is
//! skipped, and the pipeline is late until a run begins.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use flowglass_manifest::Schedule;
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A schedule that tells times.
#[derive(Debug, Clone)]
pub(super) struct Times {
    cron: Cron,
    zone: TimeZone,
}

impl Times {
    /// Of a schedule that the manifest's own check has taken.
    pub(super) fn of(schedule: &Schedule) -> Option<Self> {
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(&schedule.cron).ok()?;
        let zone = TimeZoneDatabase::bundled().get(&schedule.timezone).ok()?;
        Some(Self { cron, zone })
    }

    /// The first time after `now`; none when there never is one.
    pub(super) fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(self.zone.clone());
        self.cron.find_next_occurrence(&now, false).ok().map(|it| it.timestamp())
    }

    /// The last time up to `now`.
    pub(super) fn up_to(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(self.zone.clone());
        self.cron.find_previous_occurrence(&now, true).ok().map(|it| it.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, timezone: &str) -> Times {
        let schedule = Schedule { cron: cron.to_owned(), timezone: timezone.to_owned() };
        Times::of(&schedule).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let berlin = times("30 8 * * *", "Europe/Berlin");
        assert_eq!(berlin.after(at("2026-07-01T00:00:00Z")), Some(at("2026-07-01T06:30:00Z")));
        assert_eq!(berlin.after(at("2026-12-01T00:00:00Z")), Some(at("2026-12-01T07:30:00Z")));
        assert_eq!(berlin.up_to(at("2026-12-01T07:30:00Z")), Some(at("2026-12-01T07:30:00Z")));
    }

    #[test]
    fn a_time_that_does_not_exist_and_one_that_comes_twice_are_taken_once() {
        // Clocks go from 02:00 to 03:00 on 2026-03-29 and from 03:00 back to 02:00 on 2026-10-25.
        let night = times("30 2 * * *", "Europe/Berlin");
        let count = |from: &str, to: &str| {
            let (mut now, end, mut seen) = (at(from), at(to), 0);
            while let Some(next) = night.after(now).filter(|it| *it < end) {
                (now, seen) = (next, seen + 1);
            }
            seen
        };
        assert_eq!(count("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"), 1);
        assert_eq!(count("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"), 1);
    }

    #[test]
    fn seconds_may_come_first() {
        let often = times("*/10 * * * * *", "UTC");
        assert_eq!(often.after(at("2026-01-01T00:00:03Z")), Some(at("2026-01-01T00:00:10Z")));
    }
}
