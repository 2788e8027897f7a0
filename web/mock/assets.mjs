// Assets and lineage: what the recorded runs read and wrote, and a warehouse around them.

import { chance, pick } from "./random.mjs";
import { FLEET, recorded } from "./runs.mjs";

const iso = (ms) => new Date(ms).toISOString();
const now = Date.now();
const edges = [];
const jobs = new Map();
const assets = new Map();
const idOf = (it) => `asset:${it.namespace}|${it.name}`;
const jobOf = (pipeline, node) => {
  jobs.set(`job:${pipeline}|${node}`, { pipeline, node });
  return `job:${pipeline}|${node}`;
};

function asset(ref, run_id, k) {
  const id = idOf(ref);
  if (!assets.has(id)) {
    const random = chance(id.length * 131 + k);
    assets.set(id, {
      namespace: ref.namespace, name: ref.name, last_event_at: iso(now - random() * 7_200_000), last_run_id: run_id, producer: null,
      rows: Math.floor(random() * 1_000_000), bytes: Math.floor(random() * 9e8), freshness_seconds: Math.floor(random() * 7200),
      schema: [{ name: "order_id", type: "int8" }, { name: "day", type: "date" }, { name: "amount", type: "decimal(12,2)" }, { name: "country", type: "text" }],
      checks: random() < 0.5 ? [{ name: "not_null_order_id", ok: true, at: iso(now - 60_000) }, { name: "row_count", ok: random() < 0.8, at: iso(now - 60_000) }] : [],
    });
  }
  return assets.get(id);
}

for (const { snapshot } of recorded.values()) {
  for (const pipeline of snapshot.pipelines) {
    for (const node of pipeline.nodes) {
      const job = jobOf(pipeline.pipeline_id, node.node_id);
      for (const it of node.inputs ?? []) {
        asset(it, snapshot.run.run_id, 1);
        edges.push({ from: idOf(it), to: job });
      }
      for (const it of node.outputs ?? []) {
        asset(it, snapshot.run.run_id, 2).producer = { pipeline: pipeline.pipeline_id, node: node.node_id };
        edges.push({ from: job, to: idOf(it) });
      }
    }
  }
}
const random = chance(5);
const orders = { namespace: "file", name: "out/daily.parquet" };
for (let k = 0; k < 600; k += 1) {
  const [pipeline] = pick(random, FLEET);
  const ref = { namespace: "postgres://warehouse:5432", name: `mart.${pick(random, ["sales", "stock", "web", "finance"])}_${k}` };
  asset(ref, [...recorded.values()][0].snapshot.run.run_id, k).producer = { pipeline, node: `build_${k}` };
  if (k < 4) edges.push({ from: idOf(orders), to: jobOf(pipeline, `build_${k}`) }, { from: jobOf(pipeline, `build_${k}`), to: idOf(ref) });
}

export function listAssets(query) {
  const [q, namespace] = [query.get("q") ?? "", query.get("namespace")];
  const limit = Number(query.get("limit") ?? 100);
  const offset = Number(query.get("cursor") ?? 0);
  const fits = [...assets.values()].filter((it) => (!namespace || it.namespace === namespace) && (it.name.includes(q) || it.namespace.includes(q)));
  const items = fits.slice(offset, offset + limit);
  return { items, next_cursor: offset + limit < fits.length ? String(offset + limit) : null, total: fits.length };
}

export function assetGraph(query) {
  const focus = query.get("focus") ? `asset:${query.get("focus")}` : idOf(orders);
  const depth = Number(query.get("depth") ?? 3) * 2;
  const seen = new Set([focus]);
  for (const [near, far] of [["from", "to"], ["to", "from"]]) {
    let edge = [focus];
    for (let step = 0; step < depth && edge.length; step += 1) {
      edge = edges.filter((it) => edge.includes(it[near])).map((it) => it[far]).filter((it) => !seen.has(it) && seen.add(it));
    }
  }
  return {
    assets: [...assets.entries()].filter(([id]) => seen.has(id)).map(([, it]) => it),
    jobs: [...jobs.entries()].filter(([id]) => seen.has(id)).map(([, it]) => it),
    edges: edges.filter((it) => seen.has(it.from) && seen.has(it.to)),
  };
}
