// Pipelines: workflows of the made-up fleet, and streams whose figures move while one looks.

import { chance } from "./random.mjs";
import { FLEET, recentOf, recorded } from "./runs.mjs";

const iso = (ms) => new Date(ms).toISOString();
const STEP = 5;
const POINTS = 120;

/** The made-up streams: how fast, how late, what is wrong. */
const STREAMS = [
  { name: "orders-cdc", state: "running", source: ["shop", "postgres"], processors: [["only-paid", "filter"], ["no-names", "mask"]],
    sinks: [["kafka-main", "kafka", true, "exactly once"], ["redis-cache", "redis", false, "at least once"]],
    rate: 4200, lag: 0.4, dead: 12, bottleneck: { stage: "deliver", why: "it worked 93 % of the time" } },
  { name: "clicks", state: "running", source: ["clicks", "generator"], processors: [["only-paid", "filter"], ["no-names", "mask"]],
    sinks: [["lake", "files", true, "exactly once"]], rate: 96_000, lag: 0.1, dead: 0, bottleneck: { stage: "process", why: "it worked 81 % of the time" } },
  { name: "payments-cdc", state: "running", source: ["ledger-db", "mysql"], processors: [],
    sinks: [["warehouse", "postgres", true, "exactly once"], ["audit", "http", true, "at least once"]],
    rate: 0, lag: 734, dead: 3, stalled: { stage: "deliver", why: "the source moves and sink `audit` takes nothing" }, troubled: ["audit", "HTTP 503 from the receiver"] },
  { name: "billing-sync", state: "paused", source: ["billing", "postgres"], processors: [["route", "route"]],
    sinks: [["kafka-main", "kafka", true, "exactly once"]], rate: 0, lag: 41, dead: 0 },
  { name: "sensor-ingest", state: "failed", source: ["gateway", "kafka"], processors: [],
    sinks: [["readings", "postgres", true, "exactly once"]], rate: 0, lag: 5210, dead: 140 },
];
const states = new Map(STREAMS.map((it) => [it.name, it.state]));
const started = Date.now();

function history(stream) {
  const random = chance(stream.name.length * 977);
  const rows = [];
  const lag = [];
  const tick = Math.floor((Date.now() - started) / (STEP * 1000));
  for (let k = 0; k < POINTS + tick; k += 1) {
    const wave = 0.75 + 0.2 * Math.sin(k / 9) + 0.1 * random();
    const quiet = stream.rate === 0 && k > POINTS - 40;
    rows.push(quiet ? 0 : Math.round((stream.rate || 1800) * wave));
    lag.push(quiet ? Math.min(stream.lag, 0.4 + (k - POINTS + 40) * STEP) : Number((Math.min(stream.lag, 2) * (0.6 + random())).toFixed(2)));
  }
  const cut = Math.max(0, rows.length - POINTS);
  return { step_seconds: STEP, start: iso(Date.now() - POINTS * STEP * 1000), rows: rows.slice(cut).map((it) => it * STEP), lag: lag.slice(cut) };
}

function streamView(stream) {
  const state = states.get(stream.name);
  const moving = state === "running" && stream.rate > 0;
  const past = history(stream);
  const rate = moving ? past.rows.at(-1) / STEP : 0;
  const read = Math.floor(8_412_000 + ((Date.now() - started) / 1000) * stream.rate);
  const position = (back) => `0/${(0x16b3748 + read * 64 - back).toString(16).toUpperCase()}`;
  const tables = ["orders", "order_lines", "customers", "refunds"].map((it, k) => ({
    table: `public.${it}`, rows: Math.floor(read / (k + 2)), lag_seconds: Number((stream.lag * (1 + k / 3)).toFixed(2)),
  }));
  return {
    run_id: recorded.get("clicks").snapshot.run.run_id, live: state === "running",
    source: { id: stream.source[0], type: stream.source[1] },
    processors: stream.processors.map(([id, type]) => ({ id, type })),
    sinks: stream.sinks.map(([id, type, required, guarantee], k) => {
      const trouble = stream.troubled?.[0] === id;
      const behind = stream.name === "orders-cdc" && k === 1;
      return {
        id, type, required, guarantee, state: trouble ? "trouble" : behind ? "behind" : state === "stopped" ? "ended" : "ok",
        trouble: trouble ? stream.troubled[1] : null, attempts: trouble ? 41 : 0,
        in_flight_batches: trouble ? 8 : stream.bottleneck?.stage === "deliver" && k === 0 ? 8 : behind ? 3 : moving ? 1 : 0, queue_batches_max: 8,
        position: position(behind ? 90_000 : trouble ? 4_100_000 : 400), position_lag_bytes: behind ? 90_000 : trouble ? 4_100_000 : 400,
      };
    }),
    rate_rows_per_second: rate, rate_bytes_per_second: rate * 212, lag_seconds: past.lag.at(-1),
    lag_bytes: stream.source[1] === "generator" ? null : Math.floor(stream.lag * 91_000), idle_seconds: moving ? 0 : stream.lag,
    read_rows: read, handed: position(200), committed: position(400), head: 23_803_720 + read * 64, remarks: [],
    bottleneck: moving ? stream.bottleneck ?? null : null,
    stalled: stream.stalled && state === "running" ? { ...stream.stalled, since: iso(Date.now() - 734_000) } : null,
    dead_letters: { entries: lettersOf(stream.name).filter((it) => it.status === "open").length, entries_max: 10_000 },
    tables, history: past,
  };
}

const pipelineBase = (name, kind) => ({
  name, kind, tenant: FLEET.findIndex(([it]) => it === name) % 5 === 1 ? "globex" : "acme", labels: { team: kind === "stream" ? "platform" : "data" }, source: "manifest",
  file: `pipelines/${name}.yaml`, schedule: null, late: false, slo: null, last_run: null, recent: [], stream: null,
  etag: `"${name}-1"`,
});

function workflow([name, minutes, fails], at) {
  const runs = recentOf(name, 30);
  const last = runs[0];
  return {
    ...pipelineBase(name, "workflow"),
    state: last.state === "running" ? "running" : last.state === "failed" ? "failed" : "idle",
    schedule: name === "nightly" ? null : { cron: `*/${minutes} * * * *`, timezone: "Europe/Berlin", next_at: iso(Date.now() + (at + 1) * 83_000) },
    late: name === "customer-360", slo: fails < 1 ? { freshness: "30m", duration_p95: "5m", success_ratio: 0.99 } : null,
    last_run: last,
    recent: runs.map(({ run_id, state, started_at, duration_seconds }) => ({ run_id, state, started_at, duration_seconds })),
  };
}

export function listPipelines(query = new URLSearchParams()) {
  const all = [
    ...STREAMS.map((it) => ({ ...pipelineBase(it.name, "stream"), state: states.get(it.name), stream: streamView(it) })),
    ...FLEET.map(workflow),
  ];
  const [kind, q] = [query.get("kind"), query.get("q")];
  return all.filter((it) => (!kind || it.kind === kind) && (!q || it.name.includes(q)));
}

export function pipelineDetail(name) {
  const it = listPipelines().find((it) => it.name === name);
  if (!it) return undefined;
  const view = recorded.get(name === "failing" ? "failing" : "orders").snapshot.pipelines[0];
  const nodes = it.kind === "workflow"
    ? view.nodes.map((node) => ({ id: node.node_id, action: node.action?.kind ?? "command", needs: view.edges.filter((e) => e.to === node.node_id).map((e) => e.from) }))
    : [];
  const manifest = it.kind === "workflow"
    ? `apiVersion: flowglass/v1\nkind: Workflow\nmetadata: { name: ${name}, tenant: acme }\nspec:\n  max_parallel: 4\n  nodes:\n${nodes.map((n) => `    - id: ${n.id}\n      needs: [${n.needs.join(", ")}]\n`).join("")}`
    : `apiVersion: flowglass/v1\nkind: Stream\nmetadata: { name: ${name}, tenant: acme }\nspec:\n  source:\n    type: ${it.stream.source.type}\n    config: { id: ${it.stream.source.id}, dsn: "***" }\n`;
  return { ...it, manifest, nodes };
}

export function command(name, what) {
  const next = { pause: "paused", resume: "running", stop: "stopped", start: "running" }[what];
  if (next && states.has(name)) states.set(name, next);
}

// ---- letters ----

const letters = new Map();
export function lettersOf(name) {
  if (!letters.has(name)) {
    const stream = STREAMS.find((it) => it.name === name);
    const random = chance(name.length * 31);
    letters.set(name, Array.from({ length: stream?.dead ?? 0 }, (_, k) => {
      const [cls, detail] = [
        ["constraint", "null value in column `customer_id` violates its not-null constraint"],
        ["inexact", "column `amount`: 12.3456 does not fit decimal(12,2)"],
        ["too_large", "the message has 1,204,331 bytes, the topic takes 1,048,588"],
      ][k % 3];
      const payload = JSON.stringify({ op: "c", table: "public.orders", after: { order_id: 41_000 + k, status: "paid", amount: "***", customer: "***" } });
      return {
        number: 1000 + k, sink: stream.sinks[k % stream.sinks.length][0], table: k % 4 ? "public.orders" : "public.refunds", class: cls, detail,
        position: `0/16B${(3748 + k * 96).toString(16).toUpperCase()}`, key: `order_id=${41_000 + k}`, at: iso(started - k * 361_000 - random() * 60_000),
        status: "open", payload, payload_bytes: payload.length,
      };
    }));
  }
  return letters.get(name);
}

export function actOnLetters(name, what, body) {
  const all = lettersOf(name);
  const hit = all.filter((it) =>
    body.numbers ? body.numbers.includes(it.number)
      : (!body.sink || it.sink === body.sink) && (!body.class || it.class === body.class) && (!body.table || it.table === body.table));
  if (what === "ack") for (const it of hit) it.status = "acked";
  else letters.set(name, all.filter((it) => !hit.includes(it)));
  return { matched: hit.length, done: hit.length };
}

export function ledgerOf(name) {
  const stream = listPipelines().find((it) => it.name === name)?.stream;
  return (stream?.sinks ?? []).flatMap((sink) => stream.tables.slice(0, 3).map((table, k) => {
    const filtered = Math.floor(table.rows / 4);
    const dead_lettered = k === 0 ? stream.dead_letters.entries : 0;
    const balance = name === "payments-cdc" && sink.id === "audit" && k === 1 ? 2 : 0;
    return { sink: sink.id, table: table.table, read_rows: table.rows, delivered: table.rows - filtered - dead_lettered - balance, filtered, dead_lettered, evicted: 0, in_flight: 0, balance, closed: balance === 0 };
  }));
}

export function schemasOf(name) {
  const stream = listPipelines().find((it) => it.name === name)?.stream;
  const columns = (more) => [["order_id", "int8", false], ["status", "text", false], ["amount", "decimal(12,2)", true], ...more].map(([name, type, nullable]) => ({ name, type, nullable }));
  return stream ? [
    { asset: "public.orders", columns: columns([["channel", "text", true]]), at: iso(started - 7_200_000), position: "0/16B3748", change: "added `channel` text" },
    { asset: "public.orders", columns: columns([]), at: iso(started - 90_000_000), position: "0/15A0010", change: null },
  ] : [];
}
