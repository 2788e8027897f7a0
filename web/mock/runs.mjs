// Runs: the recorded ones, runs that are played live from a recording, and a hundred thousand
// made-up ones that exist only when somebody looks at them.

import { readdirSync, readFileSync } from "node:fs";
import { chance, madeUpId, numberOf, pick } from "./random.mjs";

const folder = new URL("../fixtures/", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), "utf8");

export const recorded = new Map();
for (const file of readdirSync(folder).filter((it) => it.endsWith(".events.ndjson"))) {
  const name = file.replace(".events.ndjson", "");
  recorded.set(name, {
    events: read(file).trim().split("\n").map((it) => JSON.parse(it)),
    snapshot: JSON.parse(read(`${name}.snapshot.json`)),
  });
}
const summaries = JSON.parse(read("runs.json"));

const STATES = ["queued", "waiting", "running", "complete", "failed", "skipped"];
const zero = () => Object.fromEntries(STATES.map((it) => [it, 0]));

/** The made-up fleet: pipeline, minutes between runs, share that fails, usual seconds. */
export const FLEET = [
  ["orders", 15, 0.02, 42], ["customer-360", 60, 0.05, 610], ["inventory", 30, 0.01, 95],
  ["ml-features", 120, 0.12, 1840], ["billing-export", 1440, 0.04, 300], ["failing", 60, 1, 2],
  ["nightly", 1440, 0.03, 4100], ["web-sessions", 20, 0.03, 160], ["fx-rates", 60, 0.08, 7],
  ["returns", 60, 0.02, 33], ["stock-forecast", 240, 0.06, 940], ["gdpr-erase", 1440, 0, 120],
];
export const RUNS_TOTAL = 100_000;
const START = Date.now();

function madeUp(n) {
  const random = chance(n * 7919 + 13);
  const [pipeline, , fails, usual] = FLEET[n % FLEET.length];
  const startedMs = START - 95_000 - n * 61_000 - Math.floor(random() * 40_000);
  const seconds = usual * (0.7 + random() * 0.7) * (random() < 0.03 ? 3 : 1);
  const active = n < 3 && usual > 90;
  const failed = !active && random() < fails;
  const state = active ? "running" : failed ? "failed" : "complete";
  const total = 3 + Math.floor(random() * 11);
  const by_state = zero();
  if (active) Object.assign(by_state, { complete: 2, running: 1, waiting: total - 3 });
  else if (failed) Object.assign(by_state, { failed: 1, skipped: Math.min(2, total - 1), complete: Math.max(0, total - 3) });
  else by_state.complete = total;
  const rows = Math.floor(random() * random() * 2_000_000);
  const iso = (ms) => new Date(ms).toISOString();
  return {
    run_id: madeUpId(n), tenant: (n % FLEET.length) % 5 === 1 ? "globex" : "acme", pipelines: [pipeline], state,
    reason: active ? "executing" : failed ? pick(random, ["error", "timeout", "check", "infra"]) : random() < 0.05 ? "warning" : "ok",
    first_seen_at: iso(startedMs - 300), started_at: iso(startedMs), ended_at: active ? null : iso(startedMs + seconds * 1000),
    duration_seconds: active ? null : seconds, parent_run_id: null, last_seq: 40 + total * 9,
    last_event_at: iso(active ? Date.now() : startedMs + seconds * 1000), nodes: { total, by_state },
    counts: { extracted: rows, inserted: Math.floor(rows * 0.8), updated: Math.floor(rows * 0.1), bytes: rows * 210 },
    error: failed ? { class: pick(random, ["timeout", "unreachable", "check", "malformed"]), detail: pick(random, [
      "1 of 6 checks of warehouse.daily did not hold: `row_count`",
      "connecting to `replica-2:5432`: connection refused",
      "`exports/rates.csv` line 118: `n/a` is no decimal(12,6)",
    ]) } : null,
  };
}

/** A made-up run's snapshot: a recording's shape under the made-up run's identity and state. */
function madeUpSnapshot(n) {
  const summary = madeUp(n);
  const base = recorded.get(summary.state === "failed" ? "failing" : "orders").snapshot;
  const text = JSON.stringify(base)
    .replaceAll(base.run.run_id, summary.run_id)
    .replaceAll(base.run.trace_id, summary.run_id.replaceAll("-", ""));
  const snapshot = JSON.parse(text);
  snapshot.pipelines[0].pipeline_id = summary.pipelines[0];
  return snapshot;
}

// ---- live runs ----

const live = new Map();

function renamed(events, run_id, shiftMs) {
  const trace = run_id.replaceAll("-", "");
  const old = events[0];
  return events.map((event) => {
    const text = JSON.stringify(event).replaceAll(old.run_id, run_id).replaceAll(old.trace.trace_id, trace);
    const told = JSON.parse(text);
    told.time = new Date(Date.parse(event.time) + shiftMs).toISOString();
    return told;
  });
}

let plays = 0;
/** Plays a recording as a new run, one event each `interval` ms; with `viewer`, from the moment on
 * when somebody watches. */
export function play(name, interval, { heard = () => undefined, viewer = false } = {}) {
  plays += 1;
  const source = recorded.get(name);
  const run_id = `01a1ffff-0000-7000-8000-${plays.toString(16).padStart(12, "0")}`;
  const run = { run_id, pipeline: source.events[0].pipeline_id, events: [], hearers: new Set(), ended: false };
  const all = renamed(source.events, run_id, 0);
  live.set(run_id, run);
  let at = 0;
  const step = () => {
    if (viewer && at === 1 && run.hearers.size === 0) return;
    if (run.abandoned) return clearInterval(timer);
    const event = all[at];
    event.time = new Date().toISOString();
    event.id = event.id.slice(0, 24) + (plays * 4096 + at).toString(16).padStart(12, "0");
    run.events.push(event);
    at += 1;
    run.ended = at === all.length;
    for (const hear of run.hearers) hear(event);
    heard(run);
    if (run.ended) clearInterval(timer);
  };
  const timer = setInterval(step, interval);
  step();
  return run;
}

/** A live run stops in the middle, as one does whose process is killed. */
export function abandon(id) {
  const run = live.get(id);
  run.abandoned = true;
  for (const hear of run.hearers) hear(undefined);
}

export const liveRun = (id) => live.get(id);
export const liveRuns = () => [...live.values()];

function liveSummary(run) {
  const last = run.events.at(-1);
  const state = run.events.filter((it) => it.entity === "run" && it.to).at(-1)?.to ?? null;
  const by_state = zero();
  const nodes = new Map();
  for (const it of run.events) if (it.entity === "node" && it.to) nodes.set(it.node_id, it.to);
  for (const it of nodes.values()) by_state[it] += 1;
  return {
    run_id: run.run_id, tenant: last.tenant, pipelines: [run.pipeline], state, reason: last.reason ?? null,
    first_seen_at: run.events[0].time, started_at: run.events[0].time, ended_at: run.ended ? last.time : null,
    duration_seconds: run.ended ? (Date.parse(last.time) - Date.parse(run.events[0].time)) / 1000 : null,
    parent_run_id: null, last_seq: last.seq, last_event_at: last.time,
    nodes: { total: nodes.size, by_state }, counts: {},
    error: state === "failed" ? { class: "exit_code", detail: "a node failed" } : null,
  };
}
export const summaryOf = liveSummary;

// ---- what the API asks ----

export function listRuns(query) {
  const limit = Math.min(1000, Number(query.get("limit") ?? 100));
  const offset = Number(query.get("cursor") ?? 0);
  const [state, pipeline, tenant, q] = ["state", "pipeline", "tenant", "q"].map((it) => query.get(it) ?? "");
  const since = Date.parse(query.get("since") ?? "") || 0;
  const until = Date.parse(query.get("until") ?? "") || Infinity;
  const parent = query.get("parent");
  if (parent) return { items: summaries.filter((it) => it.parent_run_id === parent), next_cursor: null, total: null };
  const fits = (it) =>
    (!state || state.split(",").includes(it.state)) && (!pipeline || it.pipelines.includes(pipeline)) &&
    (!tenant || it.tenant === tenant) && (!q || it.run_id.includes(q) || it.pipelines.some((p) => p.includes(q))) &&
    Date.parse(it.first_seen_at) >= since && Date.parse(it.first_seen_at) < until;
  const front = [...liveRuns().map(liveSummary).reverse(), ...summaries];
  const filtered = state || pipeline || tenant || q || since || until !== Infinity;
  const total = RUNS_TOTAL + front.length;
  const at = (n) => (n < front.length ? front[n] : madeUp(n - front.length));
  const items = [];
  let n = offset;
  for (; n < total && items.length < limit; n += 1) {
    const it = at(n);
    if (fits(it)) items.push(it);
    if (since && Date.parse(it.first_seen_at) < since - 3_600_000 && n > front.length) { n = total; break; }
  }
  return { items, next_cursor: n < total ? String(n) : null, total: filtered ? null : total };
}

/** The snapshot of any run that the mock knows. A live one is told as an empty snapshot whose
 * events all come over the stream, which is what a page that opens early sees. */
export function snapshotOf(id) {
  const run = live.get(id);
  if (run) return { schema: "flowglass.snapshot/v1", run: { tenant: "", last_seq: 0 }, pipelines: [], summary: zero() };
  for (const it of recorded.values()) if (it.snapshot.run.run_id === id) return it.snapshot;
  const n = numberOf(id);
  return n === undefined || n >= RUNS_TOTAL ? undefined : madeUpSnapshot(n);
}

export function eventsOf(id) {
  const run = live.get(id);
  if (run) return run.events;
  for (const it of recorded.values()) if (it.snapshot.run.run_id === id) return it.events;
  const snapshot = snapshotOf(id);
  if (!snapshot) return undefined;
  const base = recorded.get(snapshot.run.state === "failed" ? "failing" : "orders").events;
  return renamed(base, id, 0);
}

export function recentOf(pipeline, count) {
  const at = FLEET.findIndex(([name]) => name === pipeline);
  if (at < 0) return [];
  return Array.from({ length: count }, (_, k) => madeUp(at + k * FLEET.length));
}
