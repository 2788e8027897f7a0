// The fold from events to a snapshot: the same as `Snapshot::apply` of the model in Rust, event by
// event. It changes the snapshot in place; an event that cannot be next is an error and changes
// nothing. A test holds it to the snapshots that the binary itself made.

import { assetId, parseAssetId } from "./asset";
import { illegalMove, isFinal, STATES } from "./states";
import type { Reason, State } from "./states";
import type {
  AssetRef, AssetView, AttemptView, Attributes, Counts, Event, LogLevel, NodeView, PipelineView,
  Snapshot, StageTotal, StateCounts, Times,
} from "./types";

export const SNAPSHOT_SCHEMA = "flowglass.snapshot/v1";
export const EVENT_SCHEMA = "flowglass.event/v1";
const LOG_TAIL_LINES_MAX = 50;
const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export type FoldFault = "schema" | "other_run" | "gap" | "from" | "move" | "missing";

/** Why an event was refused. After a `gap`, read again from `expected` on. */
export class FoldError extends Error {
  constructor(
    readonly fault: FoldFault,
    message: string,
    readonly expected?: number,
  ) {
    super(message);
    this.name = "FoldError";
  }
}

export function zeroCounts(): StateCounts {
  return Object.fromEntries(STATES.map((it) => [it, 0])) as StateCounts;
}

export function emptySnapshot(): Snapshot {
  return {
    schema: SNAPSHOT_SCHEMA,
    run: { tenant: "", last_seq: 0 },
    pipelines: [],
    summary: zeroCounts(),
  };
}

/** Whether this page can read a document of that schema: v1 and any v1.x. */
export function readsSchema(given: string, ours: string): boolean {
  return given === ours || given.startsWith(`${ours}.`);
}

/** Takes the next event of the run. */
export function apply(snapshot: Snapshot, event: Event): "new" | "duplicate" {
  const run = snapshot.run;
  if (!readsSchema(event.schema, EVENT_SCHEMA)) {
    throw new FoldError("schema", `schema \`${event.schema}\` is not read here: it must be \`${EVENT_SCHEMA}\``);
  }
  if (run.run_id !== undefined && run.run_id !== event.run_id) {
    throw new FoldError("other_run", `event of run ${event.run_id} given to run ${run.run_id}`);
  }
  if (event.seq <= run.last_seq) return "duplicate";
  if (event.seq !== run.last_seq + 1) {
    const due = run.last_seq + 1;
    throw new FoldError("gap", `event ${event.seq} came where ${due} was due: events between are missing`, due);
  }
  applyKind(snapshot, event);
  run.run_id = event.run_id;
  run.trace_id = event.trace.trace_id;
  run.tenant = event.tenant;
  run.last_seq = event.seq;
  run.last_event_at = shortTime(event.time);
  return "new";
}

/** Folds a whole history. */
export function foldAll(events: Iterable<Event>): Snapshot {
  const snapshot = emptySnapshot();
  for (const event of events) apply(snapshot, event);
  return snapshot;
}

function applyKind(snapshot: Snapshot, event: Event): void {
  switch (event.kind) {
    case "transition":
      return applyTransition(snapshot, event);
    case "graph":
      return applyGraph(snapshot, event);
    case "progress":
      return applyProgress(snapshot, event);
    case "log":
      return applyLog(snapshot, event);
    case "asset":
      return applyAsset(snapshot, event);
    case "ledger":
      return applyLedger(snapshot, event);
    default:
      throw new FoldError("missing", `event ${event.seq} is of the unknown kind \`${String(event.kind)}\``);
  }
}

// ---- transitions ----

interface Change {
  from: State | undefined;
  to: State;
  reason: Reason;
  event: Event;
}

function applyTransition(snapshot: Snapshot, event: Event): void {
  const change = checkedChange(event, stateOf(snapshot, event));
  if (event.entity === "stage" && !findAttempt(snapshot, event)) {
    throw missing(event, "attempt_id of an attempt that was told before");
  }
  if (event.entity === "run") {
    keep(snapshot.run, change);
    set(snapshot.run, "error", event.error);
    extend(snapshot.run, "attributes", event.attributes);
    return;
  }
  if (event.entity === "node") shift(snapshot.summary, change);
  const pipeline = pipelineOf(snapshot, event.pipeline_id);
  if (event.entity === "pipeline") {
    keep(pipeline, change);
    set(pipeline, "error", event.error);
    extend(pipeline, "attributes", event.attributes);
  } else if (event.entity === "node") applyNode(pipeline, event, change);
  else if (event.entity === "attempt") applyAttempt(nodeOf(pipeline, event.node_id!), event, change);
  else applyStage(pipeline, event, change);
}

function checkedChange(event: Event, known: State | undefined): Change {
  const lacks = lacking(event);
  if (lacks) throw missing(event, lacks);
  const { to, reason } = event;
  if (!to) throw missing(event, "to");
  if (!reason) throw missing(event, "reason");
  const said = event.from ?? undefined;
  if (said !== known) {
    throw new FoldError(
      "from",
      `event ${event.seq} says that the ${event.entity} was ${said ?? "nothing"}, but it was ${known ?? "nothing"}`,
    );
  }
  const illegal = illegalMove(known, to, reason);
  if (illegal) throw new FoldError("move", `event ${event.seq} is refused: ${illegal}`);
  return { from: known, to, reason, event };
}

function lacking(event: Event): string | undefined {
  const depth = { run: 0, pipeline: 0, node: 1, attempt: 2, stage: 3, asset: -1 }[event.entity];
  if (depth === undefined || depth < 0) return "entity that has states";
  const attempt = event.attempt_id?.lastIndexOf("#") ?? -1;
  if (depth > 0 && !event.node_id) return "node_id";
  if (depth > 1 && (attempt < 0 || event.attempt_id?.slice(0, attempt) !== event.node_id)) {
    return "attempt_id of the node";
  }
  if (depth > 2 && !event.stage_id) return "stage_id";
  return undefined;
}

/** The state of the entity that the event is about. */
export function stateOf(snapshot: Snapshot, event: Event): State | undefined {
  if (event.entity === "run") return snapshot.run.state;
  const pipeline = snapshot.pipelines.find((it) => it.pipeline_id === event.pipeline_id);
  if (event.entity === "pipeline") return pipeline?.state;
  if (!pipeline || !event.node_id) return undefined;
  if (event.entity === "node") return findNode(pipeline, event.node_id)?.state;
  const attempt = findAttempt(snapshot, event);
  if (event.entity === "attempt") return attempt?.state;
  return attempt?.stages?.find((it) => it.stage_id === event.stage_id)?.state;
}

function keep(times: Times, { to, reason, event }: Change): void {
  const time = shortTime(event.time);
  times.state = to;
  times.reason = reason;
  times.created_at ??= time;
  if (to === "running") times.started_at ??= time;
  if (isFinal(to)) times.ended_at = time;
  set(times, "duration_seconds", event.duration_seconds);
}

function applyNode(pipeline: PipelineView, event: Event, change: Change): void {
  shift(pipeline.summary, change);
  const node = nodeOf(pipeline, event.node_id!);
  keep(node, change);
  set(node, "action", event.action);
  set(node, "counts", event.counts);
  set(node, "last_error", event.error);
  // A graph may have told the datasets before; an end may tell more exactly.
  for (const side of ["inputs", "outputs"] as const) {
    const known = node[side] ?? [];
    const ids = new Set(known.map(assetId));
    const more = (event[side] ?? []).filter((it) => !ids.has(assetId(it)));
    if (more.length > 0) node[side] = [...known, ...more];
  }
  moveAssets(pipeline, node, change);
}

function moveAssets(pipeline: PipelineView, node: NodeView, change: Change): void {
  const touch = (asset: AssetRef, writes: boolean) => {
    const view = assetOf(pipeline, asset);
    view.produced ||= writes;
    if (view.produced && !writes) return;
    const from = view.state;
    view.state = change.to;
    view.reason = change.reason;
    view.node_id = node.node_id;
    view.attempts = node.attempts.length;
    if (writes && change.to === "complete") view.updated_at = shortTime(change.event.time);
    shift(pipeline.asset_summary, { from, to: change.to });
  };
  for (const it of node.outputs ?? []) touch(it, true);
  for (const it of node.inputs ?? []) touch(it, false);
}

function applyAttempt(node: NodeView, event: Event, change: Change): void {
  const id = event.attempt_id!;
  let attempt = node.attempts.find((it) => it.attempt_id === id);
  if (!attempt) node.attempts.push((attempt = { attempt_id: id }));
  keep(attempt, change);
  set(attempt, "action", event.action);
  set(attempt, "exit_code", event.exit_code);
  set(attempt, "signal", event.signal);
  set(attempt, "counts", event.counts);
  set(attempt, "error", event.error);
  extend(attempt, "attributes", event.attributes);
  set(node, "counts", event.counts);
  set(node, "last_error", event.error);
}

function applyStage(pipeline: PipelineView, event: Event, change: Change): void {
  const node = nodeOf(pipeline, event.node_id!);
  const attempt = node.attempts.find((it) => it.attempt_id === event.attempt_id);
  if (!attempt) return;
  const stages = (attempt.stages ??= []);
  let stage = stages.find((it) => it.stage_id === event.stage_id);
  if (!stage) stages.push((stage = { stage_id: event.stage_id! }));
  keep(stage, change);
  set(stage, "counts", event.counts);
  addToTotal(stageTotal(pipeline, event.stage_id!), event, change);
}

function stageTotal(pipeline: PipelineView, stage_id: string): StageTotal {
  let total = pipeline.stages.find((it) => it.stage_id === stage_id);
  if (!total) {
    total = {
      stage_id, states: zeroCounts(), timed: 0,
      duration_seconds_total: 0, duration_seconds_mean: 0, rows: 0,
    };
    pipeline.stages.push(total);
  }
  return total;
}

function addToTotal(total: StageTotal, event: Event, change: Change): void {
  shift(total.states, change);
  if (!isFinal(change.to)) return;
  if (event.duration_seconds != null) {
    total.timed += 1;
    total.duration_seconds_total = wholeNanoseconds(total.duration_seconds_total + event.duration_seconds);
    total.duration_seconds_mean = wholeNanoseconds(total.duration_seconds_total / total.timed);
  }
  if (event.counts) {
    const { extracted = 0, inserted = 0, updated = 0 } = event.counts;
    total.rows += Math.max(extracted ?? 0, (inserted ?? 0) + (updated ?? 0));
  }
}

// ---- the other kinds ----

function applyGraph(snapshot: Snapshot, event: Event): void {
  const graph = event.graph;
  if (!graph) throw missing(event, "graph");
  const pipeline = pipelineOf(snapshot, event.pipeline_id);
  extend(pipeline, "attributes", event.attributes);
  for (const told of graph.nodes) {
    const node = nodeOf(pipeline, told.node_id);
    node.action = told.action;
    replaceList(node, "inputs", told.inputs);
    replaceList(node, "outputs", told.outputs);
    for (const it of told.inputs ?? []) assetOf(pipeline, it);
    for (const it of told.outputs ?? []) assetOf(pipeline, it);
    for (const it of told.outputs ?? []) assetOf(pipeline, it).produced = true;
  }
  pipeline.edges = [...graph.edges];
}

function applyProgress(snapshot: Snapshot, event: Event): void {
  const counts = event.counts;
  if (!counts) throw missing(event, "counts");
  if (!event.node_id) return;
  const node = nodeOf(pipelineOf(snapshot, event.pipeline_id), event.node_id);
  node.counts = compact(counts);
  const attempt = node.attempts.find((it) => it.attempt_id === event.attempt_id);
  if (attempt) attempt.counts = compact(counts);
}

function applyLog(snapshot: Snapshot, event: Event): void {
  const line = event.log;
  if (!line) throw missing(event, "log");
  if (!event.node_id) return;
  const log = nodeOf(pipelineOf(snapshot, event.pipeline_id), event.node_id).log;
  log.lines += 1;
  if (LEVELS.indexOf(line.level) >= LEVELS.indexOf("warn")) log.warnings += 1;
  const tail = (log.tail ??= []);
  if (tail.length === LOG_TAIL_LINES_MAX) tail.shift();
  tail.push(line);
}

function applyAsset(snapshot: Snapshot, event: Event): void {
  const asset = event.asset_id == null ? undefined : parseAssetId(event.asset_id);
  if (!asset) throw missing(event, "asset_id");
  const view = assetOf(pipelineOf(snapshot, event.pipeline_id), asset);
  if (event.counts) {
    set(view, "rows", event.counts.final_rows);
    view.updated_at = shortTime(event.time);
  }
  const facts = event.attributes ?? {};
  if (facts.check === undefined) return extend(view, "facts", facts);
  view.checks = {
    ...view.checks,
    [facts.check]: {
      passed: facts.result === "pass",
      severity: facts.severity ?? "error",
      detail: facts.detail ?? "",
    },
  };
}

function applyLedger(snapshot: Snapshot, event: Event): void {
  const entry = event.ledger;
  if (!entry) throw missing(event, "ledger");
  const told = event.node_id ? { node_id: event.node_id, ...entry } : { ...entry };
  const ledger = pipelineOf(snapshot, event.pipeline_id).ledger;
  const at = ledger.findIndex(
    (it) => it.node_id === (event.node_id ?? undefined) && it.table === entry.table && it.sink === entry.sink,
  );
  if (at >= 0) ledger[at] = told;
  else ledger.push(told);
}

// ---- finding and making ----

/** Where nodes and assets stand in their lists. It holds nothing that the lists do not say. */
const places = new WeakMap<object, Map<string, number>>();

function placeOf<T>(list: T[], id: string, idOf: (it: T) => string): number | undefined {
  let index = places.get(list);
  if (index?.size !== list.length) {
    index = new Map(list.map((it, at) => [idOf(it), at]));
    places.set(list, index);
  }
  return index.get(id);
}

function findOrPush<T>(list: T[], id: string, idOf: (it: T) => string, make: () => T): T {
  const at = placeOf(list, id, idOf);
  if (at !== undefined) return list[at]!;
  const made = make();
  list.push(made);
  places.get(list)?.set(id, list.length - 1);
  return made;
}

const nodeId = (it: NodeView) => it.node_id;

export function findNode(pipeline: PipelineView, id: string): NodeView | undefined {
  const at = placeOf(pipeline.nodes, id, nodeId);
  return at === undefined ? undefined : pipeline.nodes[at];
}

function findAttempt(snapshot: Snapshot, event: Event): AttemptView | undefined {
  const pipeline = snapshot.pipelines.find((it) => it.pipeline_id === event.pipeline_id);
  const node = pipeline && event.node_id ? findNode(pipeline, event.node_id) : undefined;
  return node?.attempts.find((it) => it.attempt_id === event.attempt_id);
}

function nodeOf(pipeline: PipelineView, id: string): NodeView {
  const make = () => ({ node_id: id, attempts: [], log: { lines: 0, warnings: 0 } });
  return findOrPush<NodeView>(pipeline.nodes, id, nodeId, make);
}

function assetOf(pipeline: PipelineView, asset: AssetRef): AssetView {
  const asset_id = assetId(asset);
  const make = () => ({
    asset_id, namespace: asset.namespace, name: asset.name, attempts: 0, produced: false,
  });
  return findOrPush<AssetView>(pipeline.assets, asset_id, (it) => it.asset_id, make);
}

function pipelineOf(snapshot: Snapshot, id: string): PipelineView {
  let pipeline = snapshot.pipelines.find((it) => it.pipeline_id === id);
  if (!pipeline) {
    pipeline = {
      pipeline_id: id, nodes: [], edges: [], assets: [], summary: zeroCounts(),
      asset_summary: zeroCounts(), stages: [], ledger: [],
    };
    snapshot.pipelines.push(pipeline);
  }
  return pipeline;
}

// ---- small tools ----

function missing(event: Event, field: string): FoldError {
  return new FoldError("missing", `event ${event.seq} lacks \`${field}\``);
}

function shift(counts: StateCounts, { from, to }: { from: State | undefined; to: State }): void {
  if (from) counts[from] = Math.max(0, counts[from] - 1);
  counts[to] += 1;
}

/** Sets a field where the event tells it; what was known stays where it does not. */
function set<T, K extends keyof T>(view: T, field: K, told: T[K] | null | undefined): void {
  if (told == null) return;
  view[field] = field === "counts" ? (compact(told as Counts) as T[K]) : told;
}

function extend<K extends string>(view: { [key in K]?: Attributes }, field: K, told: Attributes | undefined): void {
  if (told && Object.keys(told).length > 0) view[field] = { ...view[field], ...told } as never;
}

function replaceList<K extends "inputs" | "outputs">(node: NodeView, field: K, told: AssetRef[] | undefined): void {
  if (told && told.length > 0) node[field] = [...told];
  else delete node[field];
}

/** Without explicit nulls, which mean the same as absence. */
function compact(counts: Counts): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([, it]) => it != null));
}

/** A time as the snapshot writes it: with no more digits than it needs. */
function shortTime(time: string): string {
  const dot = time.indexOf(".");
  if (dot < 0 || !time.endsWith("Z")) return time;
  let end = time.length - 1;
  while (time[end - 1] === "0") end -= 1;
  return `${time.slice(0, end - 1 === dot ? dot : end)}Z`;
}

/** Seconds, no finer than clocks are: the same rounding as the model's. */
function wholeNanoseconds(seconds: number): number {
  const nanoseconds = seconds * 1e9;
  return Number.isFinite(nanoseconds) ? Math.round(nanoseconds) / 1e9 : seconds;
}
