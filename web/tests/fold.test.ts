// The fold is held to the binary: folding a recorded run's events gives the snapshot that the
// binary itself printed, at once, in pieces, and with events delivered twice.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { apply, emptySnapshot, foldAll, FoldError } from "../src/model/fold";
import { STATES } from "../src/model/states";
import type { Event, Snapshot } from "../src/model/types";

const folder = new URL("../fixtures/", import.meta.url);
const names = readdirSync(folder)
  .filter((it) => it.endsWith(".events.ndjson"))
  .map((it) => it.replace(".events.ndjson", ""));
const read = (name: string) => readFileSync(new URL(name, folder), "utf8");
const eventsOf = (name: string): Event[] =>
  read(`${name}.events.ndjson`).trim().split("\n").map((it) => JSON.parse(it) as Event);
const snapshotOf = (name: string) => JSON.parse(read(`${name}.snapshot.json`)) as Snapshot;
const faultOf = (act: () => void) => {
  try {
    act();
  } catch (error) {
    if (error instanceof FoldError) return error;
    throw error;
  }
  return undefined;
};

describe.each(names)("the run `%s`", (name) => {
  const events = eventsOf(name);

  it("folds to the binary's own snapshot", () => {
    expect(foldAll(events)).toStrictEqual(snapshotOf(name));
  });

  it("is the same when the snapshot travels as JSON after every event", () => {
    let snapshot = emptySnapshot();
    for (const event of events) {
      snapshot = JSON.parse(JSON.stringify(snapshot)) as Snapshot;
      apply(snapshot, event);
    }
    expect(snapshot).toStrictEqual(snapshotOf(name));
  });

  it("changes nothing for what it knows already", () => {
    const snapshot = emptySnapshot();
    for (const [at, event] of events.entries()) {
      apply(snapshot, event);
      const before = structuredClone(snapshot);
      for (const again of events.slice(Math.max(0, at - 5), at + 1)) {
        expect(apply(snapshot, again)).toBe("duplicate");
      }
      expect(snapshot).toStrictEqual(before);
    }
    expect(snapshot).toStrictEqual(snapshotOf(name));
  });

  it("refuses a gap, says what is due, and changes nothing", () => {
    for (let at = 0; at + 2 < events.length; at += 7) {
      const snapshot = foldAll(events.slice(0, at));
      const before = structuredClone(snapshot);
      const fault = faultOf(() => apply(snapshot, events[at + 1]!));
      expect(fault?.fault).toBe("gap");
      expect(fault?.expected).toBe(at + 1);
      expect(snapshot).toStrictEqual(before);
    }
  });

  it("counts at every event what an independent count counts", () => {
    const snapshot = emptySnapshot();
    const last = new Map<string, string>();
    for (const event of events) {
      apply(snapshot, event);
      if (event.kind === "transition" && event.entity === "node") {
        last.set(`${event.pipeline_id}/${event.node_id}`, event.to!);
      }
      const counted = STATES.map((state) => [...last.values()].filter((it) => it === state).length);
      expect(STATES.map((state) => snapshot.summary[state])).toStrictEqual(counted);
    }
  });
});

describe("what cannot be", () => {
  const events = eventsOf("orders");
  const node = events.find((it) => it.kind === "transition" && it.entity === "node")!;
  const ready = () => foldAll(events.slice(0, node.seq - 1));
  const refused = (change: Partial<Event>) => {
    const snapshot = ready();
    const before = structuredClone(snapshot);
    const fault = faultOf(() => apply(snapshot, { ...node, ...change }))?.fault;
    expect(snapshot).toStrictEqual(before);
    return fault;
  };

  it("is refused by name and changes nothing", () => {
    expect(refused({ run_id: "0190a1b2-0000-7000-8000-000000000000" })).toBe("other_run");
    expect(refused({ from: "running" })).toBe("from");
    expect(refused({ to: "complete", reason: "ok" })).toBe("move");
    expect(refused({ reason: "timeout" })).toBe("move");
    expect(refused({ node_id: undefined })).toBe("missing");
    expect(refused({ to: undefined })).toBe("missing");
    expect(refused({ entity: "asset" })).toBe("missing");
    expect(refused({ entity: "attempt", attempt_id: "another#1" })).toBe("missing");
    expect(refused({ entity: "stage", attempt_id: `${node.node_id}#9`, stage_id: "load" })).toBe("missing");
    expect(refused({ schema: "flowglass.event/v2" })).toBe("schema");
    expect(refused({ kind: "graph", graph: undefined })).toBe("missing");
    expect(refused({ kind: "log" })).toBe("missing");
    expect(refused({ kind: "ledger" })).toBe("missing");
    expect(refused({ kind: "asset" })).toBe("missing");
  });

  it("takes a later minor version with fields it does not know", () => {
    const snapshot = ready();
    const later = { ...node, schema: "flowglass.event/v1.4", weather: "fine" } as Event;
    expect(apply(snapshot, later)).toBe("new");
  });

  it("keeps the last fifty lines of a log and counts them all", () => {
    const snapshot = ready();
    const log = { ...node, kind: "log", entity: "node" } as Event;
    for (let at = 0; at < 60; at += 1) {
      const level = at % 2 ? "warn" : "info";
      apply(snapshot, { ...log, seq: node.seq + at, log: { stream: "stdout", level, text: `line ${at}` } });
    }
    const view = snapshot.pipelines[0]!.nodes.find((it) => it.node_id === node.node_id)!;
    expect([view.log.lines, view.log.warnings, view.log.tail?.length]).toStrictEqual([60, 30, 50]);
    expect(view.log.tail?.[0]?.text).toBe("line 10");
  });
});
