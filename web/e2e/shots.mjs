// Takes a picture of every page, for looking at: light and dark, wide and narrow.
//
//     node e2e/shots.mjs [part of a name]
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BIG_ID } from "../mock/big.mjs";
import { start } from "../mock/server.mjs";
import { recorded } from "../mock/runs.mjs";
import { launch } from "./browser.mjs";

const out = fileURLToPath(new URL("out/", import.meta.url));
mkdirSync(out, { recursive: true });
const { url, server, startPlay } = await start(0);
const id = (name) => recorded.get(name).snapshot.run.run_id;
const pages = {
  overview: "/", runs: "/runs", run: `/runs/${id("orders")}`, "run-node": `/runs/${id("failing")}?node=failing%2Fexits_3`, "run-retry": `/runs/${id("orders")}?node=orders%2Ffetch_rates`,
  "run-assets": `/runs/${id("orders")}?tab=assets`, "run-ledger": `/runs/${id("orders")}?tab=ledger`, "run-log": `/runs/${id("failing")}?tab=log`, "run-about": `/runs/${id("failing")}?tab=about`,
  live: "LIVE", big: `/runs/${BIG_ID}`, pipelines: "/pipelines", workflow: "/pipelines/orders", stream: "/pipelines/orders-cdc", stalled: "/pipelines/payments-cdc",
  letters: "/pipelines/orders-cdc?tab=letters", "stream-ledger": "/pipelines/payments-cdc?tab=ledger", assets: "/assets", lineage: `/assets?focus=${encodeURIComponent("file|out/daily.parquet")}`, alerts: "/alerts",
};
const wanted = process.argv[2];
const only = process.argv[3];
const browser = await launch();
for (const scheme of ["light", "dark"]) {
  for (const width of [1440, 390]) {
    if (only && only !== `${scheme}-${width}`) continue;
    const context = await browser.newContext({ viewport: { width, height: width > 600 ? 900 : 844 }, colorScheme: scheme, deviceScaleFactor: 1 });
    const page = await context.newPage();
    page.on("console", (it) => it.type() === "error" && console.log(scheme, width, it.text()));
    page.on("pageerror", (it) => console.log(scheme, width, String(it)));
    for (const [name, path] of Object.entries(pages)) {
      if (wanted && !wanted.split(",").includes(name)) continue;
      const at = path === "LIVE" ? `/runs/${startPlay("orders", 40).run_id}` : path;
      await page.goto(url + at);
      await page.waitForSelector("main h1");
      await page.waitForTimeout(name === "live" ? 1900 : 900);
      await page.screenshot({ path: `${out}${name}-${scheme}-${width}.png`, fullPage: false });
    }
    await context.close();
  }
}
await browser.close();
server.close();
process.exit(0);
