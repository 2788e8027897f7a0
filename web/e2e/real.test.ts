// The page and the real server: a run that another process writes is followed while the server is
// killed and started again. Wants the built binary: `cargo build`, or its path in `FLOWGLASS`.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { Snapshot } from "../src/model/types";
import { launch, openPage, settled } from "./site";

const binary = process.env.FLOWGLASS ?? fileURLToPath(new URL("../../target/debug/flowglass", import.meta.url));
const LINES = 600;
const MANIFEST = `apiVersion: flowglass/v1
kind: Workflow
metadata: { name: talks }
spec:
  nodes:
    - id: talks
      command: { shell: "i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo line $i; sleep 0.01; done" }
    - id: after
      needs: [talks]
      command: [echo, "the end"]
`;

let folder: string;
let port: number;
let server: ChildProcess | undefined;
let browser: Browser;
const url = () => `http://127.0.0.1:${port}`;
const json = async <T>(path: string) => (await (await fetch(url() + path)).json()) as T;

async function serve(): Promise<void> {
  server = spawn(binary, ["serve", "--config", "config", "--store", "store.db", "--listen", `127.0.0.1:${port}`], { cwd: folder, stdio: "ignore" });
  const answers = () => fetch(`${url()}/health`).then((it) => it.ok, () => false);
  await vi.waitUntil(answers, { timeout: 30_000, interval: 50 });
}

async function killServer(): Promise<void> {
  const gone = new Promise((done) => server!.once("exit", done));
  server!.kill("SIGKILL");
  await gone;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const { port: free } = probe.address() as AddressInfo;
  await new Promise((done) => probe.close(done));
  return free;
}

/** Starts a run in a process of its own, and finds it once the server knows it. */
async function startRun(): Promise<{ id: string; ended: Promise<unknown> }> {
  const run = spawn(binary, ["run", "talks.yaml", "--store", "store.db", "--format", "json"], { cwd: folder, stdio: "ignore" });
  const ended = new Promise((done) => run.once("exit", done));
  const newest = async () => (await json<{ items: { run_id: string; state: string }[] }>("/api/v1/runs?pipeline=talks&limit=1")).items[0];
  await expect.poll(async () => (await newest())?.state, { timeout: 20_000, interval: 30 }).toBe("running");
  return { id: (await newest())!.run_id, ended };
}

beforeAll(async () => {
  if (!existsSync(binary)) throw new Error(`${binary} is not there: build it with \`cargo build\`, or name another one in FLOWGLASS`);
  folder = mkdtempSync(join(tmpdir(), "flowglass-page-"));
  mkdirSync(join(folder, "config"));
  writeFileSync(join(folder, "talks.yaml"), MANIFEST);
  port = await freePort();
  await serve();
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  server?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

it("what is written is in the page within a second, and a killed server costs no event", async () => {
  const { id, ended } = await startRun();
  const { page, close } = await openPage(browser, url());
  await page.goto(`${url()}/runs/${id}?tab=about`);
  await settled(page);

  const late: number[] = [];
  for (let look = 0; look < 5; look += 1) {
    const { run } = await json<Snapshot>(`/api/v1/runs/${id}`);
    const from = performance.now();
    await page.waitForFunction((wanted) => Number(/Last event\s*(\d+)/.exec(document.body.innerText)?.[1] ?? 0) >= wanted, run.last_seq, { polling: 20 });
    late.push(performance.now() - from);
  }
  console.log(`an event of another process was in the page ${Math.max(...late).toFixed(0)} ms after the server had it, at most`);
  expect(Math.max(...late)).toBeLessThan(1000);

  await killServer();
  await page.getByText("The server does not answer.").waitFor();
  const before = Number(/Last event\s*(\d+)/.exec(await page.locator("main").innerText())?.[1]);
  await serve();
  await ended;
  await page.locator(".state.pill", { hasText: "complete" }).waitFor({ timeout: 40_000 });

  const whole = await json<Snapshot>(`/api/v1/runs/${id}`);
  expect(whole.run.last_seq).toBeGreaterThan(before + 50);
  await page.getByText(`${whole.run.last_seq} at`).waitFor();
  // The page counts lines as their events come: one that was missed or came twice would show here.
  const lines = whole.pipelines[0]!.nodes.reduce((sum, it) => sum + it.log.lines, 0);
  expect(lines).toBe(LINES + 1);
  expect(await page.locator("#tab-log").innerText()).toMatch(new RegExp(`^Log\\s*${lines}$`));
  await page.getByRole("tab", { name: /Log/ }).click();
  await page.getByText(`line ${LINES}`, { exact: true }).waitFor();
  await close();
});
