// Figures and words as people read them, and lists that are put together from pages and news.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { RunSummary, StreamView } from "../src/api/types";
import { assetId, parseAssetId } from "../src/model/asset";
import { mergeRuns, placeNew } from "../src/pages/runlist";
import { limitingPart, perSecond } from "../src/pages/stream/limits";
import { plainTitle, shellWord } from "../src/pages/words";
import { ago, bytes, compact, duration, percent } from "../src/ui/format";

describe("figures", () => {
  it("tell time in two parts at most", () => {
    const seconds = [0, 0.0004, 0.0123, 0.9999, 1.04, 59.94, 59.96, 250, 3599.6, 7500, 273_600, -3, null];
    expect(seconds.map(duration)).toStrictEqual(["0 s", "0.4 ms", "12 ms", "1.0 s", "1.0 s", "59.9 s", "1m 00s", "4m 10s", "1h 00m", "2h 05m", "3d 4h", "-3.0 s", "–"]);
  });
  it("tell how long ago in one", () => {
    const at = Date.parse("2026-11-21T12:00:00Z");
    const back = [0, 4, 30, 59.9, 3000, 7300, 200_000, -90];
    expect(back.map((it) => ago(at - it * 1000, at))).toStrictEqual(["now", "now", "30s ago", "1m ago", "50m ago", "2h ago", "2d ago", "in 2m"]);
  });
  it("tell sizes and shares", () => {
    expect([0, 1023, 1536, 539_826, 9e12, null].map(bytes)).toStrictEqual(["0 B", "1023 B", "1.5 KiB", "527 KiB", "8.2 TiB", "–"]);
    expect([0, 999, 1234, 8_412_000].map(compact)).toStrictEqual(["0", "999", "1.2K", "8.4M"]);
    expect([percent(1), percent(0.9724), percent(0.995, 2), percent(null)]).toStrictEqual(["100 %", "97.2 %", "99.50 %", "–"]);
  });
});

describe("words", () => {
  it.each([
    ["the last run of orders failed", "the last run failed"], ["orders is late", "late"], ["orders has 12 dead letters", "12 dead letters"],
    ["orders is stalled in stage deliver", "stalled in stage deliver"], ["sink a of orders has trouble", "sink a has trouble"],
    ["the last run of orders-cdc failed", "the last run of orders-cdc failed"], ["No progress", "No progress"],
  ])("`%s` stands behind the pipeline's name as `%s`", (title, plain) => expect(plainTitle({ title, pipeline: "orders" })).toBe(plain));

  it("a command line goes back through a shell as it was", () => {
    const argv = ["plain-1.2/x", "two words", "it's", "$HOME", "", "a\nb", "é"];
    const said = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${argv.map(shellWord).join(" ")}`], { encoding: "utf8" });
    expect(said.split("\0").slice(0, -1)).toStrictEqual(argv);
  });

  it("an asset's id reads back, without credentials", () => {
    for (const it of [{ namespace: "file", name: 'odd "name"\n:/' }, { namespace: "kafka://b:9", name: "t/u" }]) expect(parseAssetId(assetId(it))).toStrictEqual(it);
    expect(parseAssetId("postgres://me:pw@db:5432?sslmode=require/shop.public.orders")).toStrictEqual({ namespace: "postgres://db:5432", name: "shop.public.orders" });
    expect(parseAssetId("nothing")).toBeUndefined();
  });
});

describe("lists", () => {
  const run = (run_id: string, state = "complete", pipeline = "orders") => ({ run_id, state, pipelines: [pipeline], first_seen_at: run_id }) as RunSummary;
  const none = { q: "", state: "", pipeline: "", tenant: "" };
  it("a page that overlaps brings nothing twice", () => {
    expect(mergeRuns([run("3"), run("2")], [run("2"), run("1")]).map((it) => it.run_id)).toStrictEqual(["3", "2", "1"]);
  });
  it("what is known changes in its place, what is new goes first, what does not fit stays out", () => {
    const told = [run("2", "failed"), run("5"), run("4", "failed", "other")];
    expect(placeNew([run("3"), run("2")], told, none).map((it) => `${it.run_id} ${it.state}`)).toStrictEqual(["5 complete", "4 failed", "3 complete", "2 failed"]);
    expect(placeNew([], told, { ...none, state: "failed" }).map((it) => it.run_id)).toStrictEqual(["4", "2"]);
    expect(placeNew([], told, { ...none, pipeline: "other" }).map((it) => it.run_id)).toStrictEqual(["4"]);
    expect(placeNew([], told, { ...none, q: "oth" }).map((it) => it.run_id)).toStrictEqual(["4"]);
  });
});

describe("what limits a stream", () => {
  const sink = (id: string, in_flight_batches: number, state = "ok") => ({ id, in_flight_batches, state });
  const stream = (stage: string | null, sinks = [sink("a", 1), sink("b", 7)]) =>
    ({ source: { id: "src" }, processors: [{ id: "p1" }, { id: "p2" }], sinks, bottleneck: stage ? { stage, why: "" } : null, stalled: null }) as unknown as StreamView;
  it("is told as the part that people know", () => {
    expect(["source", "process", "deliver", "checkpoint", "p2", null].map((it) => limitingPart(stream(it)))).toStrictEqual(["src", "p1", "b", undefined, "p2", undefined]);
    expect(limitingPart(stream("deliver", [sink("a", 0, "trouble"), sink("b", 7)]))).toBe("a");
  });
  it("has its rates by the second", () => expect(perSecond({ rows: [0, 50], step_seconds: 5 })).toStrictEqual([0, 10]));
});
