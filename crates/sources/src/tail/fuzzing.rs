//! A face for fuzzing: bytes as the lines of a file.

use std::time::Duration;

use flowglass_connect::stream::ChunkBuilder;

use super::columns::{self, Columns};
use super::config::{BadLines, Settings};
use super::row::{Spot, push_bad, push_row};

/// Reads `bytes` as lines. Answers how many rows and how many bad lines they are, and how many cells
/// they told.
pub fn lines(bytes: &[u8]) -> (usize, usize) {
    let settings = Settings {
        id: "file".to_owned(),
        path: "in.jsonl".into(),
        schema: "file".to_owned(),
        table: "in".to_owned(),
        key: vec!["id".to_owned()],
        from_beginning: true,
        line_bytes_max: 1 << 20,
        bad_lines: BadLines::Keep,
        poll: Duration::from_millis(1),
        rotate_wait: Duration::ZERO,
    };
    let mut columns = Columns::new(&settings);
    let bad_table = columns::bad(&settings);
    let mut chunk = ChunkBuilder::new(Duration::ZERO, bytes.len());
    let mut bad_lines = 0;
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        let spot = Spot { line: number, commit: number, micros: 0 };
        let pushed = push_row(&mut chunk, line, spot, (&mut columns, &settings.key));
        if let Err(bad) = pushed {
            push_bad(&mut chunk, line, spot, (&bad_table, &bad));
            bad_lines += 1;
        }
    }
    let chunk = chunk.finish();
    let told: usize = chunk
        .changes(0, usize::MAX)
        .filter_map(|change| Some(change.after()?.data().count()))
        .sum();
    (told, bad_lines)
}
