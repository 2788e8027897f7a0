// What the run's surfaces need to know of it, whether it is live, ended, or a saved file.

import type { LinkState } from "../../live/sse";
import type { Event, NodeView, PipelineView, Snapshot } from "../../model/types";

export interface LogQuery {
  node?: string | undefined;
  attempt?: string | undefined;
  q?: string | undefined;
  level?: string | undefined;
}

export interface RunModel {
  id: string;
  snapshot: Snapshot;
  /** Moves when the snapshot has changed inside. */
  version: number;
  link: LinkState;
  lastHeardAt: number;
  saved: boolean;
  /** Its process went away without writing an end. */
  abandoned: boolean;
  logs: (query: LogQuery, signal: AbortSignal) => Promise<Event[]>;
  listen: (hear: (event: Event) => void) => () => void;
}

export interface Selected {
  pipeline: PipelineView;
  node: NodeView;
}

/** A node's key among all pipelines of the run. */
export const keyOf = (pipeline: string, node: string): string => `${pipeline}/${node}`;

export function findSelected(snapshot: Snapshot, key: string | null): Selected | undefined {
  if (!key) return undefined;
  const slash = key.indexOf("/");
  for (const pipeline of snapshot.pipelines) {
    if (slash >= 0 && pipeline.pipeline_id !== key.slice(0, slash)) continue;
    const node = pipeline.nodes.find((it) => it.node_id === key.slice(slash + 1));
    if (node) return { pipeline, node };
  }
  return undefined;
}

/** Whether a line of a log fits what is asked for. */
export function fits(event: Event, { node, attempt, q, level }: LogQuery): boolean {
  const order = ["debug", "info", "warn", "error"];
  const line = event.log;
  return (
    event.kind === "log" && !!line && (!node || event.node_id === node) && (!attempt || event.attempt_id === attempt) &&
    (!q || line.text.toLowerCase().includes(q.toLowerCase())) &&
    (!level || order.indexOf(line.level) >= order.indexOf(level))
  );
}
