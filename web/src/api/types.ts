// What the HTTP API v1 answers, beside events and snapshots: lists, pipelines, letters, assets.

import type { Reason, State } from "../model/states";
import type { Counts, RunHeader, StateCounts } from "../model/types";

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  total: number | null;
}

export interface Info {
  version: string;
  revision: string;
  started_at: string;
  uptime_seconds: number;
  store: string;
  now: string;
  anonymous: boolean;
  role: "read" | "operate" | "admin";
}

export interface RunSummary {
  run_id: string;
  tenant: string;
  pipelines: string[];
  state: State | null;
  reason: Reason | null;
  first_seen_at: string;
  started_at: string | null;
  ended_at: string | null;
  duration_seconds: number | null;
  parent_run_id: string | null;
  last_seq: number;
  last_event_at: string;
  nodes: { total: number; by_state: StateCounts };
  counts: Counts;
  error: { class: string; detail: string } | null;
}

export type Severity = "page" | "warn" | "info";

export interface Attention {
  severity: Severity;
  kind: string;
  pipeline: string;
  run_id: string | null;
  since: string;
  title: string;
  detail: string;
  hint: string | null;
}

export interface Overview {
  now: string;
  runs: { by_state_24h: Partial<StateCounts>; active: number };
  streams: { running: number; paused: number; failed: number; stalled: number };
  attention: Attention[];
  events_per_second: number;
  throughput: { step_seconds: number; start: string; rows: number[] };
}

export type PipelineState = "running" | "paused" | "idle" | "failed" | "stopped" | "unknown";

export interface SinkView {
  id: string;
  type: string | null;
  required: boolean | null;
  guarantee: string | null;
  state: "ok" | "trouble" | "behind" | "ended";
  trouble: string | null;
  attempts: number;
  in_flight_batches: number;
  queue_batches_max: number | null;
  delivered_rows?: number;
  position: string | null;
  position_lag_bytes: number | null;
}

export interface StreamView {
  run_id: string | null;
  live: boolean;
  source: { id: string; type: string };
  processors: { id: string; type: string }[];
  sinks: SinkView[];
  rate_rows_per_second: number;
  rate_bytes_per_second: number;
  lag_seconds: number;
  lag_bytes: number | null;
  idle_seconds: number;
  read_rows: number;
  handed: string | null;
  committed: string | null;
  head: string | number | null;
  /** Rows of a first reading of the source. */
  snapshot?: { done: number; expected: number } | null;
  remarks?: string[];
  bottleneck: { stage: string; why: string } | null;
  stalled: { stage: string; since: string; why: string } | null;
  dead_letters: { entries: number; entries_max: number | null };
  tables: { table: string; rows: number; lag_seconds: number | null }[];
  /** Rows moved in each step, and the lag at its end. */
  history: { step_seconds: number; start: string; rows: number[]; lag?: number[] };
}

export interface RecentRun {
  run_id: string;
  state: State | null;
  started_at: string | null;
  duration_seconds: number | null;
}

export interface Pipeline {
  name: string;
  kind: "workflow" | "stream";
  tenant: string;
  labels: Record<string, string>;
  state: PipelineState;
  source: "manifest" | "api" | "store";
  file: string | null;
  schedule: { cron: string; timezone: string; next_at: string | null } | null;
  late: boolean;
  slo: Record<string, unknown> | null;
  last_run: RunSummary | null;
  recent: RecentRun[];
  stream: StreamView | null;
  /** Why it does not run though it should. */
  fault?: string;
  etag: string;
}

export interface PipelineDetail extends Pipeline {
  manifest: string | null;
  nodes: { id: string; action: string; needs: string[] }[];
}

export interface Checkpoint {
  sink: string;
  position: string;
  at: string;
}

export interface LedgerRow {
  sink: string;
  table: string;
  read_rows: number;
  delivered: number;
  filtered: number;
  dead_lettered: number;
  evicted: number;
  in_flight: number;
  balance: number;
  closed: boolean;
}

export interface SchemaRow {
  asset: string;
  columns: { name: string; type: string; nullable: boolean }[];
  at: string;
  position: string | null;
  change: string | null;
}

export interface Letter {
  number: number;
  sink: string;
  table: string;
  class: string;
  detail: string;
  position: string;
  key: string | null;
  at: string;
  status: "open" | "acked" | "replayed";
  hint?: string | null;
  op?: string;
  processor?: string | null;
  attempts?: number;
  truncated?: boolean;
  payload: string;
  payload_bytes: number;
}

export interface Asset {
  namespace: string;
  name: string;
  last_event_at: string | null;
  last_run_id: string | null;
  producer: { pipeline: string; node: string } | null;
  rows: number | null;
  bytes: number | null;
  freshness_seconds: number | null;
  schema: { name: string; type: string }[] | null;
  checks: { name: string; ok: boolean; at: string | null; detail?: string }[];
}

export interface AssetGraph {
  assets: Asset[];
  jobs: { pipeline: string; node: string }[];
  edges: { from: string; to: string }[];
}

export interface Objective {
  name: string;
  target: string | number;
  unit?: string;
  actual: string | number | null;
  ok: boolean | null;
  budget_left: number | null;
  window: string;
}

export interface Slo {
  pipeline: string;
  objectives: Objective[];
}

export interface CommandDone {
  request_id: string;
  outcome: "done" | "accepted";
  /** What the stream answered. */
  said?: string;
  run_id?: string;
}

export type { RunHeader };
