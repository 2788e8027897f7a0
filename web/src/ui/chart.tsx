// Time series by uPlot, in the page's own colours. The same figures are told in words to those who
// cannot see the drawing.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../app/theme";
import { compact } from "./format";

export interface Series {
  label: string;
  values: number[];
  /** The name of a colour token: `running`, `waiting`. */
  color: string;
  format?: (value: number) => string;
}

interface Props {
  start: string;
  step_seconds: number;
  series: Series[];
  heightPx?: number;
  label: string;
}

export function Chart({ start, step_seconds, series, heightPx = 160, label }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const dark = theme.value;
  const shape = series.map((it) => it.label + it.color).join();

  const from = Date.parse(start) / 1000;
  const length = Math.max(...series.map((it) => it.values.length), 0);
  const data = [
    Array.from({ length }, (_, at) => from + at * step_seconds),
    ...series.map((it) => it.values),
  ] as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const el = box.current!;
    const make = () => new uPlot(options(el, series, heightPx), latest.current, el);
    plot.current = make();
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: el.clientWidth, height: heightPx }));
    watch.observe(el);
    return () => {
      watch.disconnect();
      plot.current?.destroy();
    };
  }, [shape, heightPx, dark]);
  useEffect(() => plot.current?.setData(data), [data]);

  const words = series.map((it) => {
    const last = it.values.at(-1);
    return `${it.label}: now ${last == null ? "nothing" : (it.format ?? compact)(last)}, at most ${(it.format ?? compact)(Math.max(...it.values, 0))}`;
  });
  return <div class="chart" ref={box} role="img" aria-label={`${label}. ${words.join(". ")}`} style={{ height: `${heightPx}px` }} />;
}

function options(el: HTMLElement, series: Series[], height: number): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const font = `11px ${token("font")}`;
  const axis: uPlot.Axis = {
    stroke: token("ink-3"), font, ticks: { show: false }, grid: { stroke: token("line"), width: 1 }, gap: 4,
  };
  return {
    width: el.clientWidth || 300, height, padding: [8, 4, 0, 0], legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { y: { range: (_, __, max) => [0, (max || 1) * 1.1] } },
    axes: [
      { ...axis, grid: { show: false }, size: 24, space: 70, values: (_, all) => all.map((it) => clockAt(it, (all.at(-1) ?? 0) - (all[0] ?? 0))) },
      { ...axis, size: 52, space: 34, values: (_, all) => all.map((it) => (series[0]?.format ?? compact)(it)) },
    ],
    series: [
      {},
      ...series.map((it) => ({
        label: it.label, stroke: token(it.color), width: 1.5, points: { show: false },
        fill: `color-mix(in srgb, ${token(it.color)} 10%, transparent)`,
      })),
    ],
    plugins: [hoverTip(series)],
  };
}

/** A time on the axis, with seconds where minutes would repeat themselves. */
function clockAt(seconds: number, span: number): string {
  const parts: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", ...(span < 240 ? { second: "2-digit" } : {}) };
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", parts);
}

function hoverTip(series: Series[]): uPlot.Plugin {
  const tip = document.createElement("div");
  tip.className = "chart-tip";
  return {
    hooks: {
      init: (it) => void it.over.append(tip),
      setCursor: (it) => {
        const at = it.cursor.idx;
        tip.hidden = at == null || (it.cursor.left ?? -1) < 0;
        if (at == null) return;
        const time = new Date((it.data[0][at] ?? 0) * 1000).toLocaleTimeString("en-GB");
        const told = series.map((s) => `${s.label} ${(s.format ?? compact)(s.values[at] ?? 0)}`);
        tip.textContent = [time, ...told].join("  ·  ");
        const left = it.cursor.left ?? 0;
        tip.style.left = left > it.over.clientWidth / 2 ? "auto" : `${left + 10}px`;
        tip.style.right = left > it.over.clientWidth / 2 ? `${it.over.clientWidth - left + 10}px` : "auto";
      },
    },
  };
}
