// The run over time: a row for each node, a bar for each attempt, and a thin line for the time that
// a node waited before it. Rows are windowed, so that a thousand nodes scroll as ten do.

import { useMemo } from "preact/hooks";
import { now } from "../../app/clock";
import { isFinal } from "../../model/states";
import type { AttemptView, NodeView } from "../../model/types";
import { duration } from "../../ui/format";
import { StateIcon } from "../../ui/state";
import { VirtualList } from "../../ui/virtual";
import { keyOf } from "./model";
import type { RunModel } from "./model";
import { select } from "./view";

interface Row {
  key: string;
  node: NodeView;
  begins: number;
}
interface Span {
  from: number;
  to: number;
}

export function Gantt({ run, selected }: { run: RunModel; selected: string | undefined }) {
  const { snapshot } = run;
  const ended = isFinal(snapshot.run.state) || run.saved;
  const at = ended ? 0 : now.value;
  const rows = useMemo(() => rowsOf(run), [snapshot, run.version]);
  const span = useMemo(() => spanOf(run, rows, at), [rows, at]);
  const percent = (time: number) => ((time - span.from) / (span.to - span.from)) * 100;
  const ticks = [0, 0.2, 0.4, 0.6, 0.8].map((share) => ({ share, text: duration(((span.to - span.from) / 1000) * share) }));
  return (
    <div class="gantt">
      <div class="axis" aria-hidden="true">
        <span>Node</span>
        <div class="ticks">{ticks.map((it) => <span key={it.share} style={{ left: `${it.share * 100}%` }}>{it.text}</span>)}</div>
      </div>
      <VirtualList
        total={rows.length} rowPx={30} heightMaxPx={420}
        row={(index) => {
          const it = rows[index]!;
          return <GanttRow row={it} percent={percent} at={at || span.to} on={it.key === selected} />;
        }}
      />
    </div>
  );
}

function rowsOf({ snapshot }: RunModel): Row[] {
  const rows = snapshot.pipelines.flatMap((pipeline) =>
    pipeline.nodes.map((node, order) => {
      const time = node.attempts[0]?.started_at ?? node.started_at ?? node.ended_at;
      return { key: keyOf(pipeline.pipeline_id, node.node_id), node, order, begins: time ? Date.parse(time) : Infinity };
    }),
  );
  // In the order in which they began; those that have not, in the order of the graph.
  return rows.sort((a, b) => (a.begins === b.begins ? a.order - b.order : a.begins - b.begins));
}

function spanOf({ snapshot: { run } }: RunModel, rows: Row[], at: number): Span {
  const begun = rows.map((it) => it.begins).filter(Number.isFinite);
  const from = Math.min(...(run.started_at ? [Date.parse(run.started_at)] : []), ...begun, ...(begun.length || run.started_at ? [] : [Date.now()]));
  const last = run.ended_at ?? run.last_event_at;
  const to = Math.max(at, last ? Date.parse(last) : from, from + 1);
  return { from, to: to + (to - from) * 0.02 };
}

interface RowProps {
  row: Row;
  percent: (time: number) => number;
  at: number;
  on: boolean;
}

function GanttRow({ row: { key, node }, percent, at, on }: RowProps) {
  const bars = node.attempts.length > 0 ? node.attempts : node.started_at ? [{ ...node, attempt_id: node.node_id }] : [];
  const first = bars[0]?.started_at;
  const end = bars.length ? endOf(bars.at(-1)!, at) : 0;
  const seconds = node.duration_seconds ?? (node.started_at && node.state === "running" ? (at - Date.parse(node.started_at)) / 1000 : undefined);
  // Behind the bar where there is room, else before it, else in it.
  const begin = percent(Date.parse(first ?? ""));
  const side = percent(end) <= 82 ? "" : begin > 14 ? "left" : "inside";
  return (
    <button class="grow-row" data-row aria-pressed={on} onClick={() => select(on ? null : key)}>
      <span class="who"><StateIcon state={node.state} label /><span class="cut" title={node.node_id}>{node.node_id}</span></span>
      <span class="lane">
        {node.created_at && first && Date.parse(first) > Date.parse(node.created_at) && (
          <span class="wait" style={{ left: `${Math.max(0, percent(Date.parse(node.created_at)))}%`, width: `${Math.max(0, percent(Date.parse(first)) - Math.max(0, percent(Date.parse(node.created_at))))}%` }} />
        )}
        {bars.map((it) => <Bar key={it.attempt_id} attempt={it} percent={percent} at={at} />)}
        {seconds !== undefined && (
          <span class={`after ${side}`} style={{ left: `${side === "left" ? begin : percent(end)}%` }}>{duration(seconds)}</span>
        )}
        {bars.length === 0 && <span class="after" style={{ left: "0%" }}>{node.state}{node.reason ? ` · ${node.reason.replaceAll("_", " ")}` : ""}</span>}
      </span>
    </button>
  );
}

function endOf(it: AttemptView, at: number): number {
  if (it.ended_at) return Date.parse(it.ended_at);
  return it.state === "running" ? at : Date.parse(it.started_at ?? "");
}

function Bar({ attempt, percent, at }: { attempt: AttemptView; percent: (time: number) => number; at: number }) {
  if (!attempt.started_at) return null;
  const [from, to] = [percent(Date.parse(attempt.started_at)), percent(endOf(attempt, at))];
  const stages = (attempt.stages ?? []).filter((it) => it.duration_seconds);
  const title = `${attempt.attempt_id} ${attempt.state ?? ""} ${duration(attempt.duration_seconds)}${stages.map((it) => `\n${it.stage_id} ${duration(it.duration_seconds)}`).join("")}`;
  return (
    <span class={`bar s-${attempt.state}`} title={title} style={{ left: `${from}%`, width: `${Math.max(0.15, to - from)}%` }}>
      {stages.length > 1 && to - from > 4 && stages.map((it, n) => (
        <i key={it.stage_id} style={{ flex: it.duration_seconds ?? 0, "--tone": `${n * 14}%` }} />
      ))}
    </span>
  );
}
