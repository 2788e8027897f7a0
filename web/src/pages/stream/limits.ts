// Which part of a stream a stage's name means: the server names the stage (`source`, `process`,
// `deliver`, `checkpoint`), the page shows parts by their ids.

import type { StreamView } from "../../api/types";

/** The id of the part that limits the stream, or where it is stalled; nothing when no one part does. */
export function limitingPart(s: StreamView): string | undefined {
  const stage = s.stalled?.stage ?? s.bottleneck?.stage;
  if (stage === "source") return s.source.id;
  if (stage === "process") return s.processors[0]?.id;
  if (stage === "deliver") {
    const fullest = [...s.sinks].sort((a, b) => b.in_flight_batches - a.in_flight_batches)[0];
    return (s.sinks.find((it) => it.state === "trouble") ?? fullest)?.id;
  }
  const ids = [s.source.id, ...s.processors.map((it) => it.id), ...s.sinks.map((it) => it.id)];
  return ids.find((it) => it === stage);
}

/** Rows of each step as rows per second. */
export function perSecond({ rows, step_seconds }: { rows: number[]; step_seconds: number }): number[] {
  return rows.map((it) => it / Math.max(1, step_seconds));
}
