// A run of 1,000 nodes and 10,000 assets that never ends: for measuring and for looking at.

import { chance, pick } from "./random.mjs";

export const BIG_ID = "01a1f001-0000-7000-8000-000000001000";
const STATES = ["queued", "waiting", "running", "complete", "failed", "skipped"];
const zero = () => Object.fromEntries(STATES.map((it) => [it, 0]));
const start = Date.now() - 600_000;
const iso = (ms) => new Date(ms).toISOString();

function build() {
  const random = chance(42);
  const nodes = [];
  const edges = [];
  const assets = [];
  const layers = 40;
  const summary = zero();
  const asset_summary = zero();
  for (let n = 0; n < 1000; n += 1) {
    const layer = Math.floor(n / 25);
    const node_id = `${pick(random, ["load", "join", "clean", "dedupe", "mart", "check"])}_${n}`;
    const state = layer < 22 ? (random() < 0.01 ? "failed" : "complete") : layer < 25 ? "running" : "waiting";
    const from = start + layer * 14_000 + random() * 4000;
    const seconds = 4 + random() * 12;
    const outputs = Array.from({ length: 10 }, (_, k) => ({ namespace: "postgres://warehouse:5432", name: `mart.${node_id}.part_${k}` }));
    const times = {
      state, reason: { failed: "error", complete: "ok", running: "executing", waiting: "dependency" }[state],
      created_at: iso(start),
      ...(state === "waiting" ? {} : { started_at: iso(from) }),
      ...(state === "complete" || state === "failed" ? { ended_at: iso(from + seconds * 1000), duration_seconds: seconds } : {}),
    };
    const attempt = { attempt_id: `${node_id}#1`, ...times, action: { kind: "sql", name: "datafusion" } };
    nodes.push({
      node_id, action: { kind: "sql", name: "datafusion" }, outputs, ...times,
      ...(state === "failed" ? { last_error: { class: "constraint", detail: "duplicate key in `mart`", retryable: false, hint: "Correct the offending rows." } } : {}),
      attempts: state === "waiting" ? [] : [attempt], log: { lines: 0, warnings: 0 },
    });
    summary[state] += 1;
    for (const it of outputs) {
      assets.push({ asset_id: `${it.namespace}/${it.name}`, ...it, state, reason: times.reason, node_id, attempts: 1, produced: true, rows: Math.floor(random() * 1e6) });
      asset_summary[state] += 1;
    }
    const fanIn = layer === 0 ? 0 : 1 + Math.floor(random() * 2);
    const before = new Set();
    for (let k = 0; k < fanIn; k += 1) before.add((layer - 1) * 25 + ((n % 25) + Math.floor(random() * 5) - 2 + 25) % 25);
    for (const it of before) edges.push({ from: nodes[it].node_id, to: node_id });
  }
  const times = { state: "running", reason: "executing", created_at: iso(start), started_at: iso(start) };
  return {
    schema: "flowglass.snapshot/v1",
    run: { run_id: BIG_ID, trace_id: BIG_ID.replaceAll("-", ""), tenant: "acme", ...times, last_seq: 50_000, last_event_at: iso(Date.now()), attributes: { host: "worker-7", trigger: "schedule", version: "0.1.0" } },
    pipelines: [{ pipeline_id: "warehouse", ...times, nodes, edges, assets, summary, asset_summary, stages: [], ledger: [], layers }],
    summary,
  };
}

let cached;
export const bigSnapshot = () => (cached ??= build());

/** The next progress event of one of its running nodes. */
let seq = 50_000;
const rows = new Map();
export function nextBigEvent() {
  const running = bigSnapshot().pipelines[0].nodes.filter((it) => it.state === "running");
  const node = running[seq % running.length];
  seq += 1;
  const extracted = (rows.get(node.node_id) ?? 0) + 1700;
  rows.set(node.node_id, extracted);
  return {
    schema: "flowglass.event/v1", id: "01a1f001-0000-7000-8000-000000000000", seq, time: iso(Date.now()), kind: "progress",
    entity: "attempt", tenant: "acme", run_id: BIG_ID, pipeline_id: "warehouse", node_id: node.node_id,
    attempt_id: `${node.node_id}#1`, counts: { extracted, bytes: extracted * 190 },
    trace: { trace_id: BIG_ID.replaceAll("-", ""), span_id: "0000000000000001" },
  };
}
export const bigSeq = () => seq;
