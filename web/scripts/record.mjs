// Records real runs as fixtures: runs the examples with the built binary in a temporary folder and
// keeps, of each run, its events and the binary's own snapshot and summary. Paths of the machine are
// replaced in all of them alike, so that a fold of the events still equals the snapshot.
//
//     FLOWGLASS=path/to/flowglass node scripts/record.mjs
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const binary = process.env.FLOWGLASS ?? join(root, "target/debug/flowglass");
const folder = realpathSync(mkdtempSync(join(tmpdir(), "flowglass-record-")));
const store = join(folder, "store.db");
const out = resolve(here, "../fixtures");

cpSync(join(root, "examples"), join(folder, "examples"), {
  recursive: true,
  filter: (it) => !/\/(out|\.flowglass)(\/|$)/.test(it.slice(root.length)),
});
mkdirSync(join(folder, "examples/orders/out"), { recursive: true });
writeFileSync(
  join(folder, "examples/streams/clicks.yaml"),
  `apiVersion: flowglass/v1
kind: Stream
metadata: { name: clicks, tenant: acme, labels: { team: web } }
spec:
  source:
    type: generator
    config: { id: clicks, rows: 100000000, tables: 3, transaction_rows: 10 }
  processors:
    - { type: filter, id: only-paid, where: "status = 'paid'" }
    - { type: mask, id: no-names, columns: [customer], how: hash }
  sinks:
    - { type: files, config: { id: lake, folder: out, path: "{schema}.{table}" } }
`,
);

/** The recordings: a name, where to run, with which arguments, and whether to interrupt it. */
const recordings = [
  ["orders", "orders", ["run", "pipeline.yaml"]],
  ["failing", "failing", ["run", "pipeline.yaml"]],
  ["resumed", "failing", ["run", "--resume", "latest"]],
  ["made-up", "streams", ["run", "made-up.yaml", "--until", "caught-up"]],
  ["clicks", "streams", ["run", "clicks.yaml"], 6000],
  ["exec", "orders", ["exec", "--pipeline", "nightly", "--", "sh", "-c", "echo hello; echo careful >&2"]],
];

const clean = (text) =>
  text
    .replaceAll(folder, "/srv/flowglass")
    .replaceAll(`"host":"${hostname()}"`, '"host":"worker-1"')
    .replaceAll(`"host": "${hostname()}"`, '"host": "worker-1"');
const read = (...args) =>
  clean(execFileSync(binary, [...args, "--store", store], { encoding: "utf8", maxBuffer: 1 << 28 }));

mkdirSync(out, { recursive: true });
for (const [name, cwd, args, interruptAfter] of recordings) {
  const at = args.indexOf("--");
  const withStore = at < 0 ? [...args, "--store", store] : [...args.slice(0, at), "--store", store, ...args.slice(at)];
  const ended = spawnSync(binary, withStore, {
    cwd: join(folder, "examples", cwd),
    encoding: "utf8",
    timeout: interruptAfter,
    killSignal: "SIGINT",
  });
  if (ended.status === 2) throw new Error(`${name}: ${ended.stderr}`);
  const events = read("runs", "events", "latest", "--format", "ndjson");
  const snapshot = JSON.parse(read("runs", "show", "latest", "--format", "json"));
  writeFileSync(join(out, `${name}.events.ndjson`), events);
  writeFileSync(join(out, `${name}.snapshot.json`), `${JSON.stringify(snapshot)}\n`);
  console.log(`${name}: ${events.trim().split("\n").length} events, ${snapshot.run.state}`);
}
const runs = JSON.parse(read("runs", "list", "--format", "json")).runs;
writeFileSync(join(out, "runs.json"), `${JSON.stringify(runs, null, 1)}\n`);
rmSync(folder, { recursive: true });
