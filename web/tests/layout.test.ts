// Layouts: nothing overlaps, arrows go forward, and a thousand boxes take little time.
import { describe, expect, it } from "vitest";
import { layOut } from "../src/ui/graph/layout";
import type { Layout } from "../src/ui/graph/layout";

const boxes = (n: number) => Array.from({ length: n }, (_, at) => ({ id: `n${at}`, width: 190, height: 44 }));
const arrows = (n: number, width: number) =>
  Array.from({ length: n }, (_, at) => at).flatMap((at) =>
    at < width ? [] : [{ from: `n${at - width}`, to: `n${at}` }, { from: `n${at - width + ((at * 7) % width) - (at % width)}`, to: `n${at}` }],
  ).filter((it) => it.from !== it.to);

function overlaps({ boxes: all }: Layout): number {
  let n = 0;
  for (const [at, a] of all.entries()) {
    for (const b of all.slice(at + 1)) {
      const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
      if (!apart) n += 1;
    }
  }
  return n;
}

describe.each([["few", 30, 5], ["many", 1000, 25]] as const)("a graph of %s boxes", (_, n, width) => {
  // The best of five says what the work costs; a single one says what else the machine was doing.
  const once = () => {
    const started = performance.now();
    layOut(boxes(n), arrows(n, width));
    return performance.now() - started;
  };
  const layout = layOut(boxes(n), arrows(n, width));
  const took = Math.min(...Array.from({ length: 5 }, once));

  it("lays every box apart from every other", () => {
    expect(layout.boxes).toHaveLength(n);
    expect(overlaps(layout)).toBe(0);
  });
  it("lets arrows go from left to right", () => {
    const at = new Map(layout.boxes.map((it) => [it.id, it]));
    expect(layout.arrows.filter((it) => at.get(it.from)!.x >= at.get(it.to)!.x)).toStrictEqual([]);
  });
  it("takes less than 100 ms", () => expect(took).toBeLessThan(100));
});

it("leaves out arrows whose end is not there and does not hang on a cycle", () => {
  const ring = [{ from: "n0", to: "n1" }, { from: "n1", to: "n0" }, { from: "n0", to: "gone" }];
  expect(layOut(boxes(2), ring).arrows).toHaveLength(2);
  expect(layOut(boxes(200), ring).boxes).toHaveLength(200);
});
