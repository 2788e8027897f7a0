// The wire types of the contract, v1: events and the snapshot that is folded from them. They say
// what `schemas/event.v1.json` and `schemas/snapshot.v1.json` say; absent fields are absent.

import type { Reason, State } from "./states";

export type EventKind = "transition" | "progress" | "log" | "asset" | "ledger" | "graph";
export type Entity = "run" | "pipeline" | "node" | "attempt" | "stage" | "asset";
export type LogLevel = "debug" | "info" | "warn" | "error";
export type Attributes = Record<string, string>;

export interface Action {
  kind: string;
  name: string;
  argv?: string[];
}

export interface ErrorInfo {
  class: string;
  detail: string;
  retryable: boolean;
  hint?: string;
}

export interface AssetRef {
  namespace: string;
  name: string;
}

export interface LogLine {
  stream: "stdout" | "stderr" | "engine";
  level: LogLevel;
  text: string;
  base64?: string;
}

/** Rows and bytes; an absent one was not counted, which is not zero. */
export interface Counts {
  extracted?: number;
  inserted?: number;
  updated?: number;
  unchanged?: number;
  deleted?: number;
  filtered?: number;
  dead_lettered?: number;
  final_rows?: number;
  bytes?: number;
  expected?: number;
}

export interface LedgerEntry {
  table: string;
  sink: string;
  read: number;
  delivered: number;
  filtered: number;
  dead_lettered: number;
  evicted: number;
  in_flight: number;
}

export interface Edge {
  from: string;
  to: string;
}

export interface GraphNode {
  node_id: string;
  action: Action;
  inputs?: AssetRef[];
  outputs?: AssetRef[];
}

export interface Event {
  schema: string;
  id: string;
  seq: number;
  time: string;
  kind: EventKind;
  entity: Entity;
  tenant: string;
  run_id: string;
  pipeline_id: string;
  node_id?: string;
  stage_id?: string;
  attempt_id?: string;
  asset_id?: string;
  from?: State;
  to?: State;
  reason?: Reason;
  duration_seconds?: number;
  exit_code?: number;
  signal?: string;
  action?: Action;
  inputs?: AssetRef[];
  outputs?: AssetRef[];
  counts?: Counts;
  error?: ErrorInfo;
  log?: LogLine;
  ledger?: LedgerEntry;
  graph?: { nodes: GraphNode[]; edges: Edge[] };
  attributes?: Attributes;
  trace: { trace_id: string; span_id: string; parent_span_id?: string; traceparent?: string };
}

export type StateCounts = Record<State, number>;

export interface Times {
  state?: State;
  reason?: Reason;
  created_at?: string;
  started_at?: string;
  ended_at?: string;
  duration_seconds?: number;
}

export interface RunHeader extends Times {
  run_id?: string;
  trace_id?: string;
  tenant: string;
  last_seq: number;
  last_event_at?: string;
  error?: ErrorInfo;
  attributes?: Attributes;
}

export interface StageView extends Times {
  stage_id: string;
  counts?: Counts;
}

export interface AttemptView extends Times {
  attempt_id: string;
  action?: Action;
  exit_code?: number;
  signal?: string;
  counts?: Counts;
  error?: ErrorInfo;
  stages?: StageView[];
  attributes?: Attributes;
}

export interface LogTail {
  lines: number;
  warnings: number;
  tail?: LogLine[];
}

export interface NodeView extends Times {
  node_id: string;
  action?: Action;
  inputs?: AssetRef[];
  outputs?: AssetRef[];
  counts?: Counts;
  last_error?: ErrorInfo;
  attempts: AttemptView[];
  log: LogTail;
}

export interface CheckView {
  passed: boolean;
  severity: string;
  detail: string;
}

export interface AssetView extends AssetRef {
  asset_id: string;
  state?: State;
  reason?: Reason;
  node_id?: string;
  attempts: number;
  produced: boolean;
  rows?: number;
  updated_at?: string;
  checks?: Record<string, CheckView>;
  facts?: Attributes;
}

export interface StageTotal {
  stage_id: string;
  states: StateCounts;
  timed: number;
  duration_seconds_total: number;
  duration_seconds_mean: number;
  rows: number;
}

export interface LedgerView extends LedgerEntry {
  node_id?: string;
}

export interface PipelineView extends Times {
  pipeline_id: string;
  error?: ErrorInfo;
  nodes: NodeView[];
  edges: Edge[];
  assets: AssetView[];
  summary: StateCounts;
  asset_summary: StateCounts;
  stages: StageTotal[];
  ledger: LedgerView[];
  attributes?: Attributes;
}

export interface Snapshot {
  schema: string;
  run: RunHeader;
  pipelines: PipelineView[];
  summary: StateCounts;
}
