//! Where each sink of a stream goes on when the stream is started. Pure.

use flowglass_connect::Fault;
use flowglass_connect::stream::{Checkpoint, Guarantee, Position};
use flowglass_model::ErrorClass;

/// Where each sink goes on: from what the sinks `said` of themselves and the checkpoints `kept`.
///
/// * A sink that keeps its position with its rows is believed, and nothing else.
/// * A sink that cannot say goes on at its checkpoint.
/// * When the stream begins, every sink is at the origin, and that is kept: a sink that has nothing
///   yet is not taken for a new one after a crash.
/// * A sink that is new to a stream that has begun goes on where the slowest other one is. What the
///   others had before is not sent to it.
///
/// # Errors
/// `position_lost` when a sink had a position and says now that it has none.
pub(super) fn begin(
    sinks: &[(&str, Guarantee)],
    said: &[Option<Position>],
    kept: &[Checkpoint],
) -> Result<Vec<Position>, Fault> {
    let known: Vec<Option<Position>> = sinks
        .iter()
        .zip(said)
        .map(|((id, guarantee), said)| {
            let kept = kept.iter().find(|it| it.sink == *id).map(|it| it.position.clone());
            match (guarantee, said, kept) {
                (Guarantee::ExactlyOnce, None, Some(kept)) if kept != Position::ORIGIN => {
                    Err(emptied(id, &kept))
                }
                (_, Some(said), _) => Ok(Some(said.clone())),
                (_, None, kept) => Ok(kept),
            }
        })
        .collect::<Result<_, _>>()?;
    let new_comer = known.iter().flatten().min().cloned().unwrap_or(Position::ORIGIN);
    Ok(known.into_iter().map(|it| it.unwrap_or_else(|| new_comer.clone())).collect())
}

/// The fault of a sink that no longer has what it acknowledged.
pub(super) fn emptied(sink: &str, kept: &Position) -> Fault {
    let said = format!(
        "sink `{sink}` no longer holds the position {kept}, up to which it had acknowledged \
         everything: it was emptied, or this is another system"
    );
    Fault::new(ErrorClass::PositionLost, said).hint(
        "Point the sink at the system that holds its rows; or give the sink a new `id` and resync \
         its tables.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(sink: &str, position: Position) -> Checkpoint {
        let at = jiff::Timestamp::UNIX_EPOCH;
        Checkpoint { stream: "s".into(), sink: sink.into(), position, rows: 0, at, account: None }
    }

    const BOTH: [(&str, Guarantee); 2] =
        [("exact", Guarantee::ExactlyOnce), ("least", Guarantee::AtLeastOnce)];

    #[test]
    fn a_new_stream_begins_at_the_origin() {
        let starts = begin(&BOTH, &[None, None], &[]).unwrap();
        assert_eq!(starts, [Position::ORIGIN, Position::ORIGIN]);
    }

    #[test]
    fn an_exact_sink_is_believed_and_the_other_goes_on_at_its_checkpoint() {
        let kept = [kept("exact", Position::after(3)), kept("least", Position::after(5))];
        let starts = begin(&BOTH, &[Some(Position::after(9)), None], &kept).unwrap();
        assert_eq!(starts, [Position::after(9), Position::after(5)]);
    }

    #[test]
    fn a_sink_that_had_nothing_yet_is_not_taken_for_a_new_one() {
        let kept = [kept("exact", Position::ORIGIN), kept("least", Position::after(5))];
        let starts = begin(&BOTH, &[None, None], &kept).unwrap();
        assert_eq!(starts, [Position::ORIGIN, Position::after(5)]);
    }

    #[test]
    fn a_new_sink_joins_where_the_slowest_is() {
        let kept = [kept("least", Position::after(5))];
        let starts = begin(&BOTH, &[None, None], &kept).unwrap();
        assert_eq!(starts, [Position::after(5), Position::after(5)]);
    }

    #[test]
    fn a_sink_that_was_emptied_stops_the_stream() {
        let kept = [kept("exact", Position::after(3))];
        let fault = begin(&BOTH, &[None, None], &kept).unwrap_err();
        assert_eq!(fault.class(), ErrorClass::PositionLost);
        assert!(fault.chain().contains("`exact`") && fault.chain().contains("0/3"));
    }
}
