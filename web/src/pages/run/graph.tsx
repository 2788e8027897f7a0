// The run's nodes as a graph, with their states as they are now.

import { useMemo } from "preact/hooks";
import { memo } from "./memo";
import { now } from "../../app/clock";
import { isFinal } from "../../model/states";
import type { NodeView } from "../../model/types";
import { compact, duration, elapsed } from "../../ui/format";
import { GraphView } from "../../ui/graph/view";
import type { Arrow, Box } from "../../ui/graph/layout";
import { StateIcon } from "../../ui/state";
import { keyOf } from "./model";
import type { RunModel } from "./model";
import { select } from "./view";

const BOX = { width: 196, height: 46 };

export function RunGraph({ run, selected }: { run: RunModel; selected: string | undefined }) {
  const { nodes, boxes, arrows, version } = useMemo(() => partsOf(run), [run.snapshot, shapeOf(run)]);
  const stateClass = ({ from, to }: Arrow) => {
    const [a, b] = [nodes.get(from)?.state, nodes.get(to)?.state];
    if (b === "running") return "flowing";
    if (a === "failed") return "bad";
    return a === "complete" && b === "complete" ? "done" : b === "skipped" ? "off" : "";
  };
  return (
    <GraphView
      label="Graph of the run's nodes" boxes={boxes} arrows={arrows} selected={selected} heightMaxPx={boxes.length > 40 ? 460 : 420}
      initial={boxes.find((it) => nodes.get(it.id)?.state === "running")?.id ?? boxes.find((it) => nodes.get(it.id)?.state === "failed")?.id}
      version={version} arrowClass={stateClass}
      farClass={(id) => `s-${nodes.get(id)?.state ?? "unknown"}`} onPick={select}
      render={({ id }) => {
        const node = nodes.get(id)!;
        return (
          <GraphNode
            id={id} name={node.node_id} state={node.state ?? "unknown"} kind={node.action?.kind ?? ""} on={id === selected}
            attempts={node.attempts.length} rows={rowsOf(node)} seconds={isFinal(node.state) ? node.duration_seconds : undefined}
            running={node.state === "running" ? node.started_at : undefined}
          />
        );
      }}
    />
  );
}

/** Changes when nodes or arrows come: what a node shows changes inside it. */
function shapeOf({ snapshot }: RunModel): string {
  return snapshot.pipelines.map((it) => `${it.nodes.length} ${it.edges.length}`).join();
}

/** Boxes and arrows of all pipelines; the version moves only when the graph itself does. */
function partsOf(run: RunModel) {
  const nodes = new Map<string, NodeView>();
  const boxes: Box[] = [];
  const arrows: Arrow[] = [];
  for (const pipeline of run.snapshot.pipelines) {
    for (const node of pipeline.nodes) {
      const id = keyOf(pipeline.pipeline_id, node.node_id);
      nodes.set(id, node);
      boxes.push({ id, ...BOX });
    }
    for (const { from, to } of pipeline.edges) {
      arrows.push({ from: keyOf(pipeline.pipeline_id, from), to: keyOf(pipeline.pipeline_id, to) });
    }
  }
  return { nodes, boxes, arrows, version: `${boxes.length} ${arrows.length} ${boxes.at(-1)?.id ?? ""}` };
}

interface NodeProps {
  id: string;
  name: string;
  state: string;
  kind: string;
  on: boolean;
  attempts: number;
  rows: number | undefined;
  seconds: number | undefined;
  running: string | undefined;
}

/** One box; drawn anew only when what it shows has changed. */
const GraphNode = memo(function GraphNode(it: NodeProps) {
  const seconds = it.running ? elapsed({ started_at: it.running }, now.value) : it.seconds;
  const facts = [it.kind, seconds !== undefined && duration(seconds), it.rows ? `${compact(it.rows)} rows` : "", it.attempts > 1 && `${it.attempts} attempts`];
  const text = facts.filter(Boolean).join(" · ");
  return (
    <button class={`gnode s-${it.state}`} aria-pressed={it.on} title={`${it.name}: ${it.state}. ${text}`} onClick={() => select(it.on ? null : it.id)}>
      <StateIcon state={it.state} label />
      <b class="cut">{it.name}</b>
      <small class="cut">{text}</small>
    </button>
  );
});

export function rowsOf({ counts }: NodeView): number | undefined {
  if (!counts) return undefined;
  return Math.max(counts.extracted ?? 0, (counts.inserted ?? 0) + (counts.updated ?? 0)) || undefined;
}
