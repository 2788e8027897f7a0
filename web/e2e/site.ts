// What the browser's tests share: the mock or a real server, a page that notes every complaint and
// every request that leaves the site, and the check for accessibility.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
// The mock is plain JavaScript: it is also run by hand.
// @ts-expect-error it has no types
import { launch as launchBrowser } from "./browser.mjs";
// @ts-expect-error it has no types
import { start as startMock } from "../mock/server.mjs";

export interface Site {
  url: string;
  close: () => void;
  /** Plays a recording; with `viewer`, from the moment on when a page watches it. */
  play: (name: string, interval: number, viewer?: boolean) => { run_id: string; events: { seq: number; time: string }[]; ended: boolean };
}

export const launch = launchBrowser as () => Promise<Browser>;

export async function openSite(): Promise<Site> {
  if (process.env.FLOWGLASS_URL) {
    const none = () => {
      throw new Error("a real server plays no recordings");
    };
    return { url: process.env.FLOWGLASS_URL.replace(/\/$/, ""), close: () => undefined, play: none };
  }
  const { url, server, startPlay } = await (startMock as (port: number) => Promise<{ url: string; server: { close: () => void; closeAllConnections: () => void }; startPlay: Site["play"] }>)(0);
  return { url, close: () => (server.closeAllConnections(), server.close()), play: startPlay };
}

export const out = fileURLToPath(new URL("out/", import.meta.url));
mkdirSync(out, { recursive: true });

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export interface Watched {
  page: Page;
  complaints: string[];
  close: () => Promise<void>;
}

/** A page that remembers errors on its console, and requests to anywhere else. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  // The page's own policy forbids scripts that are put in; the check for accessibility is one.
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (it) => it.type() === "error" && complaints.push(it.text()));
  page.on("pageerror", (it) => complaints.push(String(it)));
  page.on("request", (it) => {
    if (!it.url().startsWith(url) && !/^(data|blob):/.test(it.url())) complaints.push(`a request to ${it.url()}`);
  });
  return { page, complaints, close: () => context.close() };
}

/** Nothing serious may be wrong for people who use a screen reader or a keyboard. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const result = await (globalThis as unknown as { axe: { run: (context: unknown, options: unknown) => Promise<{ violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }> } }).axe.run(document, { resultTypes: ["violations"] });
    return result.violations
      .filter((it) => it.impact === "serious" || it.impact === "critical")
      .map((it) => `${it.id}: ${it.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.failureSummary.replace(/\s+/g, " ").slice(0, 200)})`).join("; ")}`);
  });
}

/** Nothing may stick out of the screen at the side. */
export async function overflow(page: Page): Promise<string[]> {
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  return wide! > room! ? [`${wide} pixels wide in ${room}`] : [];
}

/** Waits until a page has been drawn: a heading is there, and nothing is loading. */
export async function settled(page: Page): Promise<void> {
  await page.waitForSelector("main h1");
  await page.waitForFunction(() => !document.querySelector(".skeleton"));
}
