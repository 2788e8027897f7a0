// A stand-in for the server, for tests and for looking at the page: the HTTP API v1 over recorded
// runs and a made-up fleet, with events played live. It serves `dist/` under the same strict
// content security policy as the real one.
//
//     node mock/server.mjs [--port 8090] [--live]
//
// `POST /mock/play?name=orders&interval=40` plays a recording as a new run. `POST /mock/down?ms=3000`
// cuts every connection and refuses new ones for a while. `?mock=empty|error|slow` are cookies set by
// `POST /mock/mode?is=…` and change what every list answers.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { assetGraph, listAssets } from "./assets.mjs";
import { BIG_ID, bigSeq, bigSnapshot, nextBigEvent } from "./big.mjs";
import { actOnLetters, command, ledgerOf, lettersOf, listPipelines, pipelineDetail, schemasOf } from "./pipelines.mjs";
import { abandon, eventsOf, listRuns, liveRun, play, snapshotOf, summaryOf } from "./runs.mjs";

const dist = process.env.DIST ?? fileURLToPath(new URL("../dist/", import.meta.url));
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const startedAt = Date.now();
let mode = "";
let downUntil = 0;
let role = "admin";
const sockets = new Set();
const feedHearers = new Set();
let feedPosition = 0;

const json = (response, body, status = 200) => {
  response.writeHead(status, { "content-type": "application/json", "x-request-id": "req-1" });
  response.end(JSON.stringify(body));
};
const problem = (response, status, title, detail, hint) => {
  response.writeHead(status, { "content-type": "application/problem+json" });
  response.end(JSON.stringify({ type: "about:blank", title, status, detail, hint, request_id: "01a1fe8c-5386" }));
};
const page = (items) => ({ items, next_cursor: null, total: items.length });

function openSse(request, response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.write(": hello\n\n");
  const beat = setInterval(() => response.write(": keep-alive\n\n"), 15_000);
  request.on("close", () => clearInterval(beat));
  return (id, event, data) => response.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

function streamRun(request, response, id, query) {
  const after = Number(request.headers["last-event-id"] ?? query.get("after") ?? 0);
  if (id === BIG_ID) return streamBig(request, response);
  const events = eventsOf(id);
  if (!events) return problem(response, 404, "No such run", `there is no run \`${id}\``);
  const tell = openSse(request, response);
  const run = liveRun(id);
  for (const event of events.slice(after)) tell(event.seq, "event", event);
  const end = () => tell(undefined, "end", { state: "complete", end: run?.abandoned ? "abandoned" : "finished" });
  if (!run || run.ended || run.abandoned) return end();
  const hear = (event) => {
    if (event) tell(event.seq, "event", event);
    if (run.ended || run.abandoned) end();
  };
  run.hearers.add(hear);
  request.on("close", () => run.hearers.delete(hear));
}

const bigHearers = new Set();
setInterval(() => {
  if (bigHearers.size === 0) return;
  const event = nextBigEvent();
  for (const hear of bigHearers) hear(event);
}, 10).unref();
function streamBig(request, response) {
  const tell = openSse(request, response);
  const hear = (event) => tell(event.seq, "event", event);
  bigHearers.add(hear);
  request.on("close", () => bigHearers.delete(hear));
}

function tellFeed(event, data) {
  feedPosition += 1;
  for (const tell of feedHearers) tell(feedPosition, event, data);
}
setInterval(() => {
  if (feedHearers.size === 0) return;
  for (const it of listPipelines().filter((it) => it.kind === "stream")) tellFeed("pipeline", it);
}, 1000).unref();

function startPlay(name, interval, viewer = false) {
  let last = 0;
  const heard = (run) => {
    if (run.ended || Date.now() - last > 500) {
      last = Date.now();
      tellFeed("run", summaryOf(run));
    }
  };
  return play(name, interval, { heard, viewer });
}

function overview() {
  const pipelines = listPipelines();
  const since = (ms) => new Date(Date.now() - ms).toISOString();
  const ask = (severity, kind, pipeline, ms, title, detail, hint = null, run_id = null) => ({ severity, kind, pipeline, run_id, since: since(ms), title, detail, hint });
  const streams = (state) => pipelines.filter((it) => it.kind === "stream" && it.state === state).length;
  return {
    now: since(0), runs: { by_state_24h: { complete: 1342, failed: 38, running: 3, queued: 1, skipped: 4 }, active: 4 },
    streams: { running: streams("running"), paused: streams("paused"), failed: streams("failed"), stalled: 1 },
    attention: [
      ask("page", "stream_failed", "sensor-ingest", 5_210_000, "Stream failed", "source `gateway`: the topic `readings` has no partition 3 any more", "Look at the topic, then `flowglass resume sensor-ingest`."),
      ask("page", "stalled", "payments-cdc", 734_000, "No progress for 12 min", "sink `audit` has been refusing batches: HTTP 503 from the receiver", "Check that the receiver is up; the stream goes on by itself."),
      ask("warn", "run_failed", "failing", 61_000, "Run failed", "`/bin/sh` ended with exit code 3", "Read the node's log.", listRuns(new URLSearchParams("pipeline=failing&limit=1")).items[0]?.run_id ?? null),
      ask("warn", "late", "customer-360", 1_260_000, "Late by 21 min", "last complete run is older than the objective of 30 min"),
      ask("warn", "dead_letters", "orders-cdc", 361_000, "12 dead letters", "8 of them of class `constraint`", "Look at them, correct the target, then replay."),
    ],
    events_per_second: 47.3,
    throughput: { step_seconds: 60, start: since(3_600_000), rows: Array.from({ length: 60 }, (_, k) => Math.round(90_000 + 30_000 * Math.sin(k / 7) + (k % 11) * 1900)) },
  };
}

function slo() {
  return listPipelines().filter((it) => it.slo).map((it, k) => ({
    pipeline: it.name,
    objectives: [
      { name: "freshness", target: 1800, actual: it.late ? 3060 : 600 + k * 40, ok: !it.late, budget_left: it.late ? -0.4 : 0.92, window: "24h" },
      { name: "duration_p95", target: 300, actual: 42 + k * 61, ok: 42 + k * 61 <= 300, budget_left: 1 - (42 + k * 61) / 300, window: "7d" },
      { name: "success_ratio", target: 0.99, actual: k === 3 ? 0.964 : 0.997, ok: k !== 3, budget_left: k === 3 ? -2.6 : 0.7, window: "30d" },
    ],
  }));
}

function logs(response, id, query) {
  const events = eventsOf(id);
  if (!events) return problem(response, 404, "No such run", `there is no run \`${id}\``);
  const [node, attempt, q, level] = ["node", "attempt", "q", "level"].map((it) => query.get(it));
  const levels = ["debug", "info", "warn", "error"];
  const items = events.filter((it) =>
    it.kind === "log" && (!node || it.node_id === node) && (!attempt || it.attempt_id === (attempt.includes("#") ? attempt : `${node}#${attempt}`)) &&
    (!q || it.log.text.toLowerCase().includes(q.toLowerCase())) && (!level || levels.indexOf(it.log.level) >= levels.indexOf(level)) &&
    it.seq > Number(query.get("after") ?? 0));
  const limit = Number(query.get("limit") ?? 100);
  const cut = query.get("tail") === "true" ? items.slice(-limit) : items.slice(0, limit);
  json(response, { items: cut, next_after: cut.at(-1)?.seq ?? null });
}

async function bodyOf(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return text ? JSON.parse(text) : {};
}

function getRun(request, response, [id, what], query) {
  if (what === "stream") return streamRun(request, response, id, query);
  if (what === "logs") return logs(response, id, query);
  if (what === "events") {
    const after = Number(query.get("after") ?? 0);
    const items = (eventsOf(id) ?? []).filter((it) => it.seq > after).slice(0, Number(query.get("limit") ?? 100));
    return json(response, { items, next_after: items.at(-1)?.seq ?? null });
  }
  const snapshot = id === BIG_ID ? { ...bigSnapshot(), run: { ...bigSnapshot().run, last_seq: bigSeq() } } : snapshotOf(id);
  return snapshot ? json(response, snapshot) : problem(response, 404, "No such run", `there is no run \`${id}\``);
}

async function pipeline(request, response, [name, what, act], query) {
  const it = pipelineDetail(name);
  if (!it) return problem(response, 404, "No such pipeline", `there is no pipeline \`${name}\``);
  if (request.method === "POST" && what === "dlq") return json(response, actOnLetters(name, act, await bodyOf(request)));
  if (request.method === "POST") {
    if (role === "read") return problem(response, 403, "Not allowed", "this needs the role `operate`");
    command(name, what);
    const run = what === "run" ? startPlay(name === "failing" ? "failing" : "orders", 60) : undefined;
    return json(response, { request_id: "req-7", outcome: what === "stop" ? "accepted" : "done", ...(run ? { run_id: run.run_id } : {}) }, 202);
  }
  if (!what) return json(response, it);
  if (what === "checkpoints") return json(response, page((it.stream?.sinks ?? []).map((s) => ({ sink: s.id, position: s.position, at: new Date(Date.now() - 1200).toISOString() }))));
  if (what === "ledger") return json(response, page(ledgerOf(name)));
  if (what === "schemas") return json(response, page(schemasOf(name)));
  if (what !== "dlq") return problem(response, 404, "No such thing");
  const offset = Number(query.get("cursor") ?? 0);
  const limit = Number(query.get("limit") ?? 100);
  const fits = lettersOf(name).filter((l) => ["sink", "class", "table", "status"].every((key) => !query.get(key) || l[key] === query.get(key)));
  return json(response, { items: fits.slice(offset, offset + limit), next_cursor: offset + limit < fits.length ? String(offset + limit) : null, total: fits.length });
}

async function api(request, response, parts, query) {
  const [room, ...rest] = parts;
  if (room === "session" && request.method === "POST") {
    const { token } = await bodyOf(request);
    if (token !== "secret-token") return problem(response, 401, "Not signed in", "the token is not known");
    mode = "";
    return json(response, { role });
  }
  if (mode === "auth") return problem(response, 401, "Not signed in", "this server wants a token");
  if (mode === "error" && room !== "feed") return problem(response, 500, "Something broke", "reading the store: disk I/O error", "Look at the server's log for this request.");
  if (mode === "slow") await new Promise((done) => setTimeout(done, 60_000));
  if (mode === "empty") {
    if (room === "overview") return json(response, { ...overview(), runs: { by_state_24h: {}, active: 0 }, streams: { running: 0, paused: 0, failed: 0, stalled: 0 }, attention: [], events_per_second: 0, throughput: { step_seconds: 60, start: new Date().toISOString(), rows: [] } });
    if (room === "assets" && rest[0]) return json(response, { assets: [], jobs: [], edges: [] });
    if (["runs", "pipelines", "assets", "slo"].includes(room) && !rest[0]) return json(response, page([]));
  }
  const info = { version: "0.1.0", revision: "0684176", started_at: new Date(startedAt).toISOString(), uptime_seconds: (Date.now() - startedAt) / 1000, store: "sqlite", now: new Date().toISOString(), anonymous: true, role };
  if (room === "info") return json(response, info);
  if (room === "overview") return json(response, overview());
  if (room === "runs") return rest.length ? getRun(request, response, rest, query) : json(response, listRuns(query));
  if (room === "pipelines") return rest.length ? pipeline(request, response, rest, query) : json(response, page(listPipelines(query)));
  if (room === "assets") return json(response, rest[0] === "graph" ? assetGraph(query) : listAssets(query));
  if (room === "slo") return json(response, page(slo()));
  if (room === "feed") {
    const tell = openSse(request, response);
    feedHearers.add(tell);
    request.on("close", () => feedHearers.delete(tell));
    return undefined;
  }
  return problem(response, 404, "No such thing");
}

function control(response, what, query) {
  if (what === "play") return json(response, { run_id: startPlay(query.get("name") ?? "orders", Number(query.get("interval") ?? 40)).run_id });
  if (what === "down") {
    downUntil = Date.now() + Number(query.get("ms") ?? 3000);
    response.on("finish", () => setTimeout(() => sockets.forEach((it) => it.destroy()), 20));
    return json(response, {});
  }
  if (what === "abandon") {
    abandon(query.get("run"));
    return json(response, {});
  }
  if (what === "mode") mode = query.get("is") ?? "";
  if (what === "role") role = query.get("is") ?? "admin";
  return json(response, { mode, role });
}

function file(request, response, path) {
  const wanted = normalize(join(dist, path));
  const found = wanted.startsWith(normalize(dist)) && existsSync(wanted) && statSync(wanted).isFile();
  const real = found ? wanted : join(dist, "index.html");
  const fixed = found && path.startsWith("/assets-static/");
  response.writeHead(200, {
    "content-type": TYPES[extname(real)] ?? "application/octet-stream", "content-security-policy": CSP,
    "x-content-type-options": "nosniff", "cache-control": fixed ? "public, max-age=31536000, immutable" : "no-cache",
  });
  createReadStream(real).pipe(response);
}

export function start(port = 0) {
  const server = createServer((request, response) => {
    if (Date.now() < downUntil) return void request.socket.destroy();
    const url = new URL(request.url, "http://mock");
    const parts = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
    if (parts[0] === "mock") return control(response, parts[1], url.searchParams);
    if (parts[0] === "api") return void api(request, response, parts.slice(2), url.searchParams).catch((error) => problem(response, 500, "The mock broke", String(error?.stack)));
    return file(request, response, url.pathname);
  });
  server.on("connection", (it) => {
    sockets.add(it);
    it.on("close", () => sockets.delete(it));
  });
  return new Promise((done) => server.listen(port, "127.0.0.1", () => done({ server, startPlay, url: `http://127.0.0.1:${server.address().port}` })));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf("--port");
  const { url } = await start(at > 0 ? Number(process.argv[at + 1]) : 8090);
  console.log(`mock at ${url}, big run at ${url}/runs/${BIG_ID}`);
  if (process.argv.includes("--live")) {
    const again = () => startPlay("orders", 300);
    again();
    setInterval(again, 40_000);
  }
}
