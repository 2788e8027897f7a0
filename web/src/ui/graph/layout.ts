// Where the boxes of a graph stand. Small graphs are laid out by dagre, which crosses few lines;
// large ones by ranks and a few sweeps of medians, which takes milliseconds for a thousand nodes.

import dagre from "@dagrejs/dagre";

export interface Box {
  id: string;
  width: number;
  height: number;
}
export interface Arrow {
  from: string;
  to: string;
}
export interface Placed {
  id: string;
  x: number;
  y: number;
  width: number;
  height: number;
}
export interface Drawn {
  from: string;
  to: string;
  d: string;
}
export interface Layout {
  width: number;
  height: number;
  boxes: Placed[];
  arrows: Drawn[];
}
export type Direction = "LR" | "TB";

const DAGRE_BOXES_MAX = 150;
const RANK_GAP = 56;
const BOX_GAP = 14;

const LAYOUTS_MAX = 4;
const kept = new Map<string, Layout>();

/** The layout, or the one that was made before for the same boxes and arrows. */
export function layOutOnce(boxes: Box[], arrows: Arrow[], direction: Direction = "LR"): Layout {
  const key = `${direction}|${boxes.map((it) => `${it.id}:${it.width}x${it.height}`).join()}|${arrows.map((it) => `${it.from}>${it.to}`).join()}`;
  let layout = kept.get(key);
  if (!layout) {
    layout = layOut(boxes, arrows, direction);
    if (kept.size >= LAYOUTS_MAX) kept.delete(kept.keys().next().value!);
    kept.set(key, layout);
  }
  return layout;
}

export function layOut(boxes: Box[], arrows: Arrow[], direction: Direction = "LR"): Layout {
  const known = new Set(boxes.map((it) => it.id));
  const real = arrows.filter((it) => known.has(it.from) && known.has(it.to) && it.from !== it.to);
  const placed = boxes.length > DAGRE_BOXES_MAX ? byRanks(boxes, real, direction) : byDagre(boxes, real, direction);
  const at = new Map(placed.map((it) => [it.id, it]));
  return {
    width: Math.max(0, ...placed.map((it) => it.x + it.width)),
    height: Math.max(0, ...placed.map((it) => it.y + it.height)),
    boxes: placed,
    arrows: real.map((it) => ({ ...it, d: curve(at.get(it.from)!, at.get(it.to)!, direction) })),
  };
}

function byDagre(boxes: Box[], arrows: Arrow[], direction: Direction): Placed[] {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: direction, nodesep: BOX_GAP, ranksep: RANK_GAP, marginx: 0, marginy: 0 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const it of boxes) graph.setNode(it.id, { width: it.width, height: it.height });
  for (const it of arrows) graph.setEdge(it.from, it.to);
  dagre.layout(graph);
  return boxes.map((it) => {
    const { x, y } = graph.node(it.id) as unknown as { x: number; y: number };
    return { ...it, x: Math.round(x - it.width / 2), y: Math.round(y - it.height / 2) };
  });
}

/** The rank of each box: one more than the highest that it needs. A cycle's boxes get rank zero
 * where they are entered. */
export function ranksOf(ids: string[], arrows: Arrow[]): Map<string, number> {
  const needs = new Map<string, number>(ids.map((it) => [it, 0]));
  const next = new Map<string, string[]>();
  for (const { from, to } of arrows) {
    needs.set(to, (needs.get(to) ?? 0) + 1);
    next.set(from, [...(next.get(from) ?? []), to]);
  }
  const ranks = new Map<string, number>(ids.map((it) => [it, 0]));
  const ready = ids.filter((it) => needs.get(it) === 0);
  for (let at = 0; at < ready.length; at += 1) {
    const id = ready[at]!;
    for (const to of next.get(id) ?? []) {
      ranks.set(to, Math.max(ranks.get(to) ?? 0, (ranks.get(id) ?? 0) + 1));
      const left = (needs.get(to) ?? 0) - 1;
      needs.set(to, left);
      if (left === 0) ready.push(to);
    }
  }
  return ranks;
}

function byRanks(boxes: Box[], arrows: Arrow[], direction: Direction): Placed[] {
  const ranks = ranksOf(boxes.map((it) => it.id), arrows);
  const layers: Box[][] = [];
  for (const it of boxes) (layers[ranks.get(it.id) ?? 0] ??= []).push(it);
  const order = new Map<string, number>();
  const number = (layer: Box[]) => layer.forEach((it, at) => order.set(it.id, at / Math.max(1, layer.length)));
  layers.forEach(number);
  const before = new Map<string, string[]>();
  const after = new Map<string, string[]>();
  for (const { from, to } of arrows) {
    (before.get(to) ?? before.set(to, []).get(to)!).push(from);
    (after.get(from) ?? after.set(from, []).get(from)!).push(to);
  }
  const mean = (near: string[] | undefined, own: number) =>
    near?.length ? near.reduce((sum, it) => sum + (order.get(it) ?? 0), 0) / near.length : own;
  for (let sweep = 0; sweep < 6; sweep += 1) {
    const near = sweep % 2 ? after : before;
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const wish = new Map(layer.map((it) => [it.id, mean(near.get(it.id), order.get(it.id) ?? 0)]));
      layer.sort((a, b) => wish.get(a.id)! - wish.get(b.id)!);
      number(layer);
    }
  }
  return place(layers, direction);
}

function place(layers: Box[][], direction: Direction): Placed[] {
  const across = direction === "LR" ? "height" : "width";
  const along = direction === "LR" ? "width" : "height";
  const lengths = layers.map((layer) => layer.reduce((sum, it) => sum + it[across] + BOX_GAP, -BOX_GAP));
  const widest = Math.max(0, ...lengths);
  const out: Placed[] = [];
  let offset = 0;
  layers.forEach((layer, at) => {
    let cross = (widest - lengths[at]!) / 2;
    for (const it of layer) {
      const [x, y] = direction === "LR" ? [offset, cross] : [cross, offset];
      out.push({ ...it, x: Math.round(x), y: Math.round(y) });
      cross += it[across] + BOX_GAP;
    }
    offset += Math.max(0, ...layer.map((it) => it[along])) + RANK_GAP;
  });
  return out;
}

function curve(from: Placed, to: Placed, direction: Direction): string {
  if (direction === "LR") {
    const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
    const bend = Math.max(24, (x2 - x1) / 2);
    return `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
  }
  const [x1, y1, x2, y2] = [from.x + from.width / 2, from.y + from.height, to.x + to.width / 2, to.y];
  const bend = Math.max(18, (y2 - y1) / 2);
  return `M${x1},${y1} C${x1},${y1 + bend} ${x2},${y2 - bend} ${x2},${y2}`;
}
