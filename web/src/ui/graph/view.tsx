// A graph that can be moved and zoomed: boxes are HTML, so that they are real buttons with text
// that a reader of the screen hears; lines are SVG beneath them. Only what is in view is drawn.

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../icons";
import { layOutOnce } from "./layout";
import type { Arrow, Box, Direction, Drawn, Placed } from "./layout";

interface Props {
  boxes: Box[];
  arrows: Arrow[];
  /** Changes when boxes or arrows do; the layout is made once for each. */
  version: string;
  direction?: Direction;
  heightMaxPx: number;
  label: string;
  selected?: string | undefined;
  /** The box that a graph too large for its room is shown around at first. */
  initial?: string | undefined;
  render: (box: Placed) => ComponentChildren;
  /** A class for an arrow, such as the state of what it leads from. */
  arrowClass?: (arrow: Arrow) => string;
  /** A class for a box that is too far away to be read, and what a click on it does. */
  farClass?: (id: string) => string;
  onPick?: (id: string) => void;
}

interface View {
  x: number;
  y: number;
  k: number;
}

const PAD = 24;
const K_MIN = 0.08;
const K_MAX = 1.6;
/** Below this size text cannot be read, and is left out. */
const K_TEXT = 0.42;

export function GraphView(props: Props) {
  const { heightMaxPx, selected } = props;
  const layout = useMemo(() => layOutOnce(props.boxes, props.arrows, props.direction), [props.version, props.direction]);
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ w: 0, h: 0 });
  const [view, setView] = useState<View | undefined>();
  const height = Math.min(heightMaxPx, Math.max(120, layout.height + PAD * 2));

  const fit = useCallback((kMin: number): View => {
    const el = box.current!;
    const [w, h] = [el.clientWidth - PAD * 2, height - PAD * 2];
    const k = Math.min(1, Math.max(kMin, Math.min(w / Math.max(1, layout.width), h / Math.max(1, layout.height))));
    const x = layout.width * k <= w ? (el.clientWidth - layout.width * k) / 2 : PAD;
    const y = layout.height * k <= h ? (height - layout.height * k) / 2 : Math.max((height - layout.height * k) / 2, -1e9);
    return { x, y, k };
  }, [layout, height]);

  // At first the graph is shown whole when it can be read so, else around what matters.
  const begin = () => {
    const legible = layout.boxes.length > 60 || box.current!.clientWidth < 600 ? 0.85 : 0.62;
    const first = fit(legible);
    const around = layout.boxes.find((it) => it.id === (selected ?? props.initial));
    setView(around ? centred(around, first, box.current!, layout) : first);
  };
  useLayoutEffect(() => {
    const el = box.current!;
    begin();
    const watch = new ResizeObserver(() => setSize({ w: el.clientWidth, h: el.clientHeight }));
    watch.observe(el);
    return () => watch.disconnect();
  }, [layout]);
  // A drawer that opens takes room away: what fitted should fit again.
  const shownAt = useRef(0);
  useLayoutEffect(() => {
    if (shownAt.current > 0 && size.w > 0 && layout.boxes.length <= 60) begin();
    shownAt.current = size.w;
  }, [size.w]);

  const place = useMemo(() => new Map(layout.boxes.map((it) => [it.id, it])), [layout]);
  useEffect(() => {
    const it = selected ? place.get(selected) : undefined;
    if (it) setView((now) => now && broughtIn(it, now, box.current!));
  }, [selected, place]);

  const zoomBy = useZoom(box, setView);
  const drag = useDrag(setView);
  const v = view ?? { x: PAD, y: PAD, k: 1 };
  const seen = inView(v, size.w || 2000, size.h || height);
  const far = v.k < K_TEXT && !!props.farClass;
  // Before its place is known nothing is drawn, instead of everything twice.
  const shown = (view ? layout.boxes : []).filter((it) => seen(it.x, it.y, it.x + it.width, it.y + it.height));
  const lines = (view ? layout.arrows : []).filter((it) => {
    const [a, b] = [place.get(it.from)!, place.get(it.to)!];
    return seen(Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x + a.width, b.x + b.width), Math.max(a.y + a.height, b.y + b.height));
  });
  const pickFar = (event: MouseEvent) => {
    if ((event.target as Element).closest(".graph-tools")) return;
    const at = box.current!.getBoundingClientRect();
    const [x, y] = [(event.clientX - at.left - v.x) / v.k, (event.clientY - at.top - v.y) / v.k];
    const hit = layout.boxes.find((it) => x >= it.x && x <= it.x + it.width && y >= it.y && y <= it.y + it.height);
    if (hit) props.onPick?.(hit.id);
  };
  return (
    <div class="graph" ref={box} style={{ height: `${height}px` }} role="group" aria-label={props.label} {...drag} onClick={far ? pickFar : undefined}>
      <div class="graph-world" style={{ transform: `translate(${v.x}px, ${v.y}px) scale(${v.k})` }}>
        <svg width={layout.width} height={layout.height} aria-hidden="true">
          <Lines arrows={lines} arrowClass={props.arrowClass} />
          {far && <FarBoxes boxes={shown} selected={selected} farClass={props.farClass!} />}
        </svg>
        {!far && shown.map((it) => (
          <div key={it.id} class="graph-box" style={{ left: `${it.x}px`, top: `${it.y}px`, width: `${it.width}px`, height: `${it.height}px` }}>
            {props.render(it)}
          </div>
        ))}
      </div>
      <div class="graph-tools">
        <button class="button icon-only small" aria-label="Zoom in" onClick={() => zoomBy(1.3)}><Icon name="plus" /></button>
        <button class="button icon-only small" aria-label="Zoom out" onClick={() => zoomBy(1 / 1.3)}><Icon name="minus" /></button>
        <button class="button icon-only small" aria-label="Show the whole graph" onClick={() => setView(fit(K_MIN))}><Icon name="fit" /></button>
      </div>
    </div>
  );
}

/** The texts of those that share a class, by class. */
function gather<T>(all: T[], classOf: (it: T) => string, draw: (it: T) => string): [string, string][] {
  const by = new Map<string, string[]>();
  for (const it of all) {
    const name = classOf(it);
    const texts = by.get(name);
    if (texts) texts.push(draw(it));
    else by.set(name, [draw(it)]);
  }
  return [...by].map(([name, texts]) => [name, texts.join("")]);
}

/** All arrows of one kind are one line: hundreds are drawn as fast as ten. */
function Lines({ arrows, arrowClass }: { arrows: Drawn[]; arrowClass: Props["arrowClass"] }) {
  const lines = gather(arrows, (it) => arrowClass?.(it) ?? "", (it) => it.d);
  return <>{lines.map(([name, d]) => <path key={`line ${name}`} class={name} d={d} />)}</>;
}

/** Boxes from far away: all of one state are one shape. The timeline beneath has each by name. */
function FarBoxes({ boxes, selected, farClass }: { boxes: Placed[]; selected: string | undefined; farClass: (id: string) => string }) {
  const shapes = gather(boxes, (it) => farClass(it.id), (it) => `M${it.x},${it.y}h${it.width}v${it.height}h${-it.width}z`);
  const on = boxes.find((it) => it.id === selected);
  return (
    <>
      {shapes.map(([name, d]) => <path key={`box ${name}`} class={`far-box ${name}`} d={d} />)}
      {on && <rect class="far-on" x={on.x - 12} y={on.y - 12} width={on.width + 24} height={on.height + 24} rx="20" />}
    </>
  );
}

function inView({ x, y, k }: View, w: number, h: number) {
  const margin = 80;
  const [left, top, right, bottom] = [(-x - margin) / k, (-y - margin) / k, (w - x + margin) / k, (h - y + margin) / k];
  return (x1: number, y1: number, x2: number, y2: number) => x2 >= left && x1 <= right && y2 >= top && y1 <= bottom;
}

/** The view with that box in the middle, where the graph does not fit whole. */
function centred(it: Placed, now: View, el: HTMLElement, whole: { width: number; height: number }): View {
  const [w, h] = [el.clientWidth, el.clientHeight];
  const x = whole.width * now.k <= w - PAD ? now.x : w / 2 - (it.x + it.width / 2) * now.k;
  const y = whole.height * now.k <= h - PAD ? now.y : h / 2 - (it.y + it.height / 2) * now.k;
  return { ...now, x, y };
}

/** The view moved as little as it must for the box to be inside. */
function broughtIn(it: Placed, now: View, el: HTMLElement): View {
  const [left, top] = [it.x * now.k + now.x, it.y * now.k + now.y];
  const [w, h] = [it.width * now.k, it.height * now.k];
  const shift = (from: number, length: number, room: number) =>
    from < PAD ? PAD - from : from + length > room - PAD ? room - PAD - from - length : 0;
  const [dx, dy] = [shift(left, w, el.clientWidth), shift(top, h, el.clientHeight)];
  return dx || dy ? { ...now, x: now.x + dx, y: now.y + dy } : now;
}

function useZoom(box: { current: HTMLDivElement | null }, setView: (change: (now: View | undefined) => View | undefined) => void) {
  const zoomAt = (factor: number, px: number, py: number) =>
    setView((now) => {
      if (!now) return now;
      const k = Math.min(K_MAX, Math.max(K_MIN, now.k * factor));
      const share = k / now.k;
      return { k, x: px - (px - now.x) * share, y: py - (py - now.y) * share };
    });
  useEffect(() => {
    const el = box.current!;
    // Zoom only when asked for, so that the wheel still moves the page.
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const at = el.getBoundingClientRect();
      zoomAt(Math.exp(-event.deltaY * 0.004), event.clientX - at.left, event.clientY - at.top);
    };
    el.addEventListener("wheel", wheel, { passive: false });
    return () => el.removeEventListener("wheel", wheel);
  }, []);
  return (factor: number) => zoomAt(factor, (box.current?.clientWidth ?? 0) / 2, (box.current?.clientHeight ?? 0) / 2);
}

function useDrag(setView: (change: (now: View | undefined) => View | undefined) => void) {
  const from = useRef<{ x: number; y: number; id: number; moved: boolean } | undefined>(undefined);
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0 || (event.target as Element).closest(".graph-tools")) return;
      from.current = { x: event.clientX, y: event.clientY, id: event.pointerId, moved: false };
    },
    onPointerMove: (event: PointerEvent & { currentTarget: HTMLDivElement }) => {
      const start = from.current;
      if (!start || start.id !== event.pointerId) return;
      const [dx, dy] = [event.clientX - start.x, event.clientY - start.y];
      if (!start.moved && Math.hypot(dx, dy) < 4) return;
      if (!start.moved) event.currentTarget.setPointerCapture(event.pointerId);
      from.current = { ...start, x: event.clientX, y: event.clientY, moved: true };
      setView((now) => now && { ...now, x: now.x + dx, y: now.y + dy });
    },
    onPointerUp: () => (from.current = undefined),
    onPointerCancel: () => (from.current = undefined),
    // What was a drag is not a click on the box where it began.
    onClickCapture: (event: MouseEvent) => {
      if (from.current?.moved) event.stopPropagation();
    },
  };
}
