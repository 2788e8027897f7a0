//! What was measured, which stage binds, and what would change it.

use serde::Serialize;

use super::measure::Measured;

/// A stage and how fast it is alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Stage {
    /// `source`, `encode`, `deliver` or `processor`: the machine's own.
    pub(super) stage: &'static str,
    /// The id of the source or sink.
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Whether the stream waits for it.
    pub(super) required: bool,
    /// Rows a second that it can do; none when it was not measured.
    pub(super) rows_per_second: Option<f64>,
    pub(super) bytes_per_second: Option<f64>,
    /// Processor time of a row, in millionths of a second.
    pub(super) cpu_micros_per_row: Option<f64>,
    pub(super) rows: u64,
    pub(super) seconds: f64,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

impl Stage {
    /// A stage of which nothing is known yet.
    pub(super) fn new(stage: &'static str, (id, kind): (&str, &str), required: bool) -> Self {
        Self {
            stage,
            id: id.to_owned(),
            kind: kind.to_owned(),
            required,
            rows_per_second: None,
            bytes_per_second: None,
            cpu_micros_per_row: None,
            rows: 0,
            seconds: 0.0,
            why: None,
        }
    }

    /// With what was measured, or why nothing was.
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown in three digits")]
    pub(super) fn with(mut self, measured: Result<Measured, String>) -> Self {
        match measured {
            Ok(it) if it.rows > 0 && it.seconds > 0.0 => {
                self.rows_per_second = Some(it.rate());
                self.bytes_per_second = Some(it.bytes as f64 / it.seconds);
                self.cpu_micros_per_row = Some(it.cpu_per_row() * 1e6);
                self.rows = it.rows;
                self.seconds = it.seconds;
            }
            Ok(_) => self.why = Some("nothing came through it in time".to_owned()),
            Err(why) => self.why = Some(why),
        }
        self
    }
}

/// The whole.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) stream: String,
    /// Whether the rows were the source's own, or made up.
    pub(super) own_rows: bool,
    /// Processors of this machine.
    pub(super) cores: usize,
    pub(super) stages: Vec<Stage>,
    /// The stage that binds, by its place in `stages`.
    #[serde(skip)]
    binding: Option<usize>,
    /// The same for programs.
    pub(super) binds: Option<Binding>,
    /// Rows a second that may be expected of the whole.
    pub(super) expected_rows_per_second: Option<f64>,
    pub(super) advice: Vec<&'static str>,
    /// What could not be removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) left_behind: Vec<String>,
}

/// The stage that binds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Binding {
    pub(super) stage: &'static str,
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

impl Report {
    /// Judges the stages. All of them work at once, so that the slowest binds; and all of them share the
    /// machine's processors.
    pub(super) fn of(
        stream: &str,
        (own_rows, cores): (bool, usize),
        mut stages: Vec<Stage>,
        left_behind: Vec<String>,
    ) -> Self {
        stages.push(processor(&stages, cores));
        let any_required =
            stages.iter().any(|it| it.stage == "deliver" && it.required && it.why.is_none());
        let counts = |it: &Stage| it.required || !any_required;
        let slowest = stages
            .iter()
            .enumerate()
            .filter(|(_, it)| counts(it))
            .filter_map(|(at, it)| Some((at, it.rows_per_second?)))
            .min_by(|one, other| one.1.total_cmp(&other.1));
        let binding = slowest.map(|it| it.0);
        let binds = binding.and_then(|at| stages.get(at)).map(|it| Binding {
            stage: it.stage,
            id: it.id.clone(),
            kind: it.kind.clone(),
        });
        let advice = binds.as_ref().map_or_else(Vec::new, |it| advice(it.stage, &it.kind).to_vec());
        let expected_rows_per_second = slowest.map(|it| it.1);
        let stream = stream.to_owned();
        Self {
            stream,
            own_rows,
            cores,
            stages,
            binding,
            binds,
            expected_rows_per_second,
            advice,
            left_behind,
        }
    }

    /// Whether the stage at that place binds.
    pub(super) fn is_binding(&self, at: usize) -> bool {
        self.binding == Some(at)
    }
}

/// What the machine's processors allow when every stage has its share.
#[expect(clippy::cast_precision_loss, reason = "no machine has so many processors")]
fn processor(stages: &[Stage], cores: usize) -> Stage {
    let micros: f64 = stages.iter().filter_map(|it| it.cpu_micros_per_row).sum();
    let mut stage = Stage::new("processor", ("all stages", &format!("{cores} cores")), true);
    if micros > 0.0 {
        stage.rows_per_second = Some(cores as f64 * 1e6 / micros);
        stage.cpu_micros_per_row = Some(micros);
    }
    stage
}

/// What to change when this binds, the most likely first.
fn advice(stage: &str, kind: &str) -> &'static [&'static str] {
    match (stage, kind) {
        ("source", "postgres") => &[
            "The server's decoding binds: it is one process a slot. Name fewer tables, or give the \
             busiest one a stream and a slot of its own.",
            "Leave columns out of the publication that no sink needs; with `REPLICA IDENTITY FULL` \
             every update carries the old row too.",
            "Let `logical_decoding_work_mem` hold the usual transaction, so that it is not written to \
             disk.",
        ],
        ("source", _) => &["The source binds: nothing behind it can be faster."],
        ("encode", _) => &[
            "Encoding binds: `envelope: native` writes less than `debezium`, and `project` leaves out \
             columns that nobody reads.",
            "Give each half of the tables a stream of its own: each encodes on a processor of its own.",
        ],
        ("deliver", "kafka") => &[
            "Raise `batch.max_events`: with `exactly_once` each commit costs a round trip.",
            "Compare `compression: lz4` with `none` and `zstd`; look at the network to the brokers.",
            "Give the topic more partitions, on more brokers.",
        ],
        ("deliver", "redis") => &[
            "Redis works on one processor: look at its CPU and at `SLOWLOG`.",
            "Use a socket on the same machine (`unix:///…`), and raise `batch.max_events` when the \
             network is far.",
            "Look at `appendfsync`: `always` waits for the disk with every batch.",
        ],
        ("deliver", "files") => &[
            "Each batch waits for the disk: raise `batch.max_events` and `batch.max_ms`.",
            "Route to fewer files: each file of a batch is synced.",
        ],
        ("deliver", "postgres" | "sqlite") => &[
            "Raise `batch.max_events`: each batch is one transaction.",
            "Drop indexes and triggers of the tables that nobody needs.",
        ],
        ("deliver", _) => {
            &["The sink binds: raise `batch.max_events`, or look at its own machine."]
        }
        _ => &[
            "The machine binds: the stages need more processors than it has. Move the stream away from \
             the database and the broker, or to a larger machine.",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &'static str, required: bool, rate: u64, cpu: f64) -> Stage {
        let measured = Measured { rows: rate, bytes: rate * 10, seconds: 1.0, cpu_seconds: cpu };
        Stage::new(name, ("id", "redis"), required).with(Ok(measured))
    }

    #[test]
    fn the_slowest_stage_that_the_stream_waits_for_binds() {
        let stages = vec![
            stage("source", true, 900, 0.1),
            stage("deliver", true, 500, 0.1),
            stage("deliver", false, 50, 0.01),
        ];
        let report = Report::of("s", (true, 8), stages, Vec::new());
        assert_eq!(report.binds.as_ref().map(|it| it.stage), Some("deliver"));
        assert!(report.is_binding(1) && report.expected_rows_per_second == Some(500.0));
        assert!(!report.advice.is_empty());
    }

    #[test]
    fn processors_are_shared() {
        let stages = vec![stage("source", true, 1_000, 0.9), stage("encode", true, 1_000, 0.9)];
        let report = Report::of("s", (true, 1), stages, Vec::new());
        assert_eq!(report.binds.as_ref().map(|it| it.stage), Some("processor"));
        let expected = report.expected_rows_per_second.unwrap();
        assert!((expected - 1_000.0 / 1.8).abs() < 1.0, "{expected}");
    }

    #[test]
    fn what_was_not_measured_does_not_bind() {
        let missing = Stage::new("source", ("id", "postgres"), true).with(Err("away".to_owned()));
        let report = Report::of("s", (false, 2), vec![missing], Vec::new());
        assert_eq!((report.binds, report.expected_rows_per_second), (None, None));
    }
}
