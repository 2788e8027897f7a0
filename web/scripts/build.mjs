// Builds the dashboard into `dist/`, or, with `--check`, builds it aside and says whether `dist/` is
// what the sources make, byte for byte.
//
// `dist/offline.html` is the same bundle in one file: script and styles stand in it, allowed by
// their hash and nothing else; `__FLOWGLASS_SNAPSHOT__` is where the exporter writes the run's JSON
// (with every `<` as `\u003c`, so that no text can end the element).
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");
const out = check ? mkdtempSync(join(tmpdir(), "flowglass-dist-")) : resolve(root, "dist");
const single = mkdtempSync(join(tmpdir(), "flowglass-single-"));

const make = (mode, outDir) => build({ root, mode, logLevel: "warn", configFile: join(root, "vite.config.ts"), build: { outDir, emptyOutDir: true } });
await make("production", out);
await make("offline", single);

const files = (folder) =>
  readdirSync(folder, { recursive: true }).map(String).filter((it) => statSync(join(folder, it)).isFile()).sort();
const one = (ending) => {
  const found = files(single).filter((it) => it.endsWith(ending));
  if (found.length !== 1) throw new Error(`one ${ending} was to be built, not ${found.join(", ")}`);
  return readFileSync(join(single, found[0]), "utf8");
};
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const script = one(".js").replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const style = one(".css").replaceAll("</style", "<\\/style");
const csp = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data:; base-uri 'none'; form-action 'none'`;
writeFileSync(
  join(out, "offline.html"),
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${csp}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Flowglass</title>
<style>${style}</style>
</head>
<body>
<div id="app"></div>
<script type="application/json" id="flowglass-snapshot">__FLOWGLASS_SNAPSHOT__</script>
<script type="module">${script}</script>
</body>
</html>
`,
);
rmSync(single, { recursive: true });

if (check) {
  const kept = resolve(root, "dist");
  const made = files(out);
  const known = existsSync(kept) ? files(kept) : [];
  const differing = [...new Set([...made, ...known])].filter(
    (it) => !made.includes(it) || !known.includes(it) || !readFileSync(join(out, it)).equals(readFileSync(join(kept, it))),
  );
  rmSync(out, { recursive: true });
  if (differing.length > 0) {
    console.error(`dist/ is not what the sources make: ${differing.join(", ")}. Run \`npm run build\` and commit dist/.`);
    process.exit(1);
  }
  console.log(`dist/ is what the sources make (${made.length} files)`);
} else {
  for (const it of files(out)) console.log(`${relative(root, join(out, it))}  ${statSync(join(out, it)).size} bytes`);
}
