// Every page, in light and dark, wide and narrow: it draws without a complaint, asks nobody else,
// fits the screen, and is accessible. A picture of each is kept in `e2e/out/`.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { barriers, launch, openPage, openSite, out, overflow, settled } from "./site";
import type { Site } from "./site";

let site: Site;
let browser: Browser;
let pages: [string, string][];

async function ask<T>(path: string): Promise<T[]> {
  const response = await fetch(`${site.url}/api/v1/${path}`);
  return ((await response.json()) as { items: T[] }).items;
}

/** What there is to see on this server. */
async function pagesOf(): Promise<[string, string][]> {
  const found: [string, string][] = [["overview", "/"], ["runs", "/runs"], ["pipelines", "/pipelines"], ["assets", "/assets"], ["alerts", "/alerts"]];
  const states = new Map<string, string>();
  for (const it of await ask<{ run_id: string; state: string | null }>("runs?limit=200")) {
    if (it.state && !states.has(it.state)) states.set(it.state, it.run_id);
  }
  for (const [state, id] of states) {
    const snapshot = (await (await fetch(`${site.url}/api/v1/runs/${id}`)).json()) as { pipelines: { pipeline_id: string; nodes: { node_id: string; state?: string }[] }[] };
    const pipeline = snapshot.pipelines[0];
    const node = pipeline?.nodes.find((it) => it.state === state) ?? pipeline?.nodes[0];
    found.push([`run-${state}`, `/runs/${id}`]);
    if (node) found.push([`run-${state}-node`, `/runs/${id}?node=${encodeURIComponent(`${pipeline!.pipeline_id}/${node.node_id}`)}`]);
    for (const tab of ["assets", "ledger", "log", "about"]) found.push([`run-${state}-${tab}`, `/runs/${id}?tab=${tab}`]);
  }
  const pipelines = await ask<{ name: string; kind: string }>("pipelines");
  const workflow = pipelines.find((it) => it.kind === "workflow");
  if (workflow) for (const tab of ["runs", "graph", "manifest"]) found.push([`workflow-${tab}`, `/pipelines/${workflow.name}?tab=${tab}`]);
  const stream = pipelines.find((it) => it.kind === "stream");
  if (stream) for (const tab of ["flow", "tables", "ledger", "letters", "checkpoints", "schemas", "manifest"]) found.push([`stream-${tab}`, `/pipelines/${stream.name}?tab=${tab}`]);
  const asset = (await ask<{ namespace: string; name: string }>("assets?limit=20")).at(-1);
  if (asset) found.push(["lineage", `/assets?focus=${encodeURIComponent(`${asset.namespace}|${asset.name}`)}`]);
  return found;
}

beforeAll(async () => {
  site = await openSite();
  browser = await launch();
  pages = await pagesOf();
});
afterAll(async () => {
  await browser.close();
  site.close();
});

describe.each(["light", "dark"] as const)("in %s", (colorScheme) => {
  it.each([1440, 390])("every page is whole at %i pixels", async (width) => {
    const { page, complaints, close } = await openPage(browser, site.url, { colorScheme, viewport: { width, height: width > 600 ? 900 : 844 }, bypassCSP: true });
    const wrong: Record<string, string[]> = {};
    for (const [name, path] of pages) {
      await page.goto(site.url + path);
      await settled(page);
      await page.screenshot({ path: `${out}walk-${name}-${colorScheme}-${width}.png` });
      const found = [...(await overflow(page)), ...(await barriers(page)), ...complaints.splice(0)];
      if (found.length > 0) wrong[name] = found;
    }
    expect(wrong).toStrictEqual({});
    await close();
  });
});

it("keeps to its own strict policy", async () => {
  const { page, complaints, close } = await openPage(browser, site.url);
  for (const [name, path] of pages) {
    await page.goto(site.url + path);
    await settled(page);
    expect(complaints, name).toStrictEqual([]);
  }
  await close();
});
