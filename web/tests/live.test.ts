// A run that is watched while its connection breaks in every awkward place: nothing is missed,
// nothing is applied twice, and what was shown at the end is the binary's own snapshot.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { emptySnapshot, foldAll } from "../src/model/fold";
import type { Event, Snapshot } from "../src/model/types";
import { LiveRun } from "../src/live/run";
import { openStream, SseParser } from "../src/live/sse";

const read = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8");
const events = read("orders.events.ndjson").trim().split("\n").map((it) => JSON.parse(it) as Event);
const whole = JSON.parse(read("orders.snapshot.json")) as Snapshot;

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((it) => it()));

describe("the parser", () => {
  const text = ': hi\r\nid: 7\nevent: event\ndata: {"a":\ndata: 1}\n\nretry: 250\n\ndata:x\r\n\r\n';
  const expected = [
    { id: "7", event: "event", data: '{"a":\n1}' },
    { id: "7", event: "message", data: "x" },
  ];
  it("gives the same messages wherever the pieces are cut", () => {
    for (let at = 0; at <= text.length; at += 1) {
      const parser = new SseParser();
      const got = [...parser.push(text.slice(0, at)), ...parser.push(text.slice(at))];
      expect(got).toStrictEqual(expected);
      expect(parser.retry).toBe(250);
    }
  });
});

/** A server of one run that breaks each connection after `cut` events and repeats one of them. */
async function flakyServer(cut: number): Promise<{ base: string; connections: () => number }> {
  let connections = 0;
  const server = createServer((request, response) => {
    connections += 1;
    if (connections % 4 === 0) return void response.writeHead(503).end();
    const resume = Number(request.headers["last-event-id"] ?? 0);
    response.writeHead(200, { "content-type": "text/event-stream" });
    const from = Math.max(0, resume - 1);
    for (const event of events.slice(from, from + cut)) {
      response.write(`id: ${event.seq}\nevent: event\ndata: ${JSON.stringify(event)}\n\n`);
    }
    if (from + cut >= events.length) {
      response.write('event: end\ndata: {"state":"complete"}\n\n');
    }
    response.write('id: 999\nevent: event\ndata: {"half":');
    response.socket?.end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closers.push(() => server.close());
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
}

describe("a run that is watched", () => {
  it.each([2, 3, 17, 200])("survives connections that break after %i events", async (cut) => {
    const { base, connections } = await flakyServer(cut);
    const run = new LiveRun("r", {
      snapshot: async () => emptySnapshot(),
      open: (options) => openStream({ ...options, url: () => base + options.url(), backoffMs: () => 1 }),
    });
    closers.push(() => run.stop());
    const seen: number[] = [];
    run.listen((event) => seen.push(event.seq));
    void run.start();
    await vi.waitFor(() => expect(run.link.value).toBe("ended"), { timeout: 10_000, interval: 5 });
    expect(run.snapshot).toStrictEqual(whole);
    expect(seen).toStrictEqual(events.map((it) => it.seq));
    if (cut < 17) expect(connections()).toBeGreaterThan(5);
  });

  it("asks again from where it stands when the server skips events", async () => {
    const asked: (string | undefined)[] = [];
    const run = new LiveRun("r", {
      snapshot: async () => foldAll(events.slice(0, 10)),
      open: (options) => {
        asked.push(options.lastId());
        expect(options.onMessage({ id: "13", event: "event", data: JSON.stringify(events[12]) })).toBe("again");
        expect(options.onMessage({ id: "11", event: "event", data: JSON.stringify(events[10]) })).toBeUndefined();
        asked.push(options.lastId());
        return () => undefined;
      },
    });
    await run.start();
    run.stop();
    expect(asked).toStrictEqual(["10", "11"]);
  });

  it("does not open a stream for a run that has ended", async () => {
    const run = new LiveRun("r", {
      snapshot: async () => structuredClone(whole),
      open: () => {
        throw new Error("opened");
      },
    });
    await run.start();
    expect(run.link.value).toBe("ended");
  });

  it("refuses a snapshot of a later major version with words", async () => {
    const run = new LiveRun("r", {
      snapshot: async () => ({ ...structuredClone(whole), schema: "flowglass.snapshot/v2" }),
      open: () => () => undefined,
    });
    await run.start();
    run.stop();
    expect(run.error.value?.message).toContain("flowglass.snapshot/v2");
    expect(run.snapshot).toBeUndefined();
  });

  it("says so when the server refuses the stream", async () => {
    const server = createServer((_, response) => response.writeHead(401).end());
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    closers.push(() => server.close());
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const states: string[] = [];
    closers.push(
      openStream({
        url: () => base,
        lastId: () => undefined,
        onMessage: () => undefined,
        onState: (state, why) => states.push(why ? `${state} ${why}` : state),
      }),
    );
    await vi.waitFor(() => expect(states).toContain("refused HTTP 401"));
  });
});
