// Small pictures of figures: a line for a rate, bars for the last runs.

import type { RecentRun } from "../api/types";
import { duration } from "./format";

export function Sparkline({ values, label, state }: { values: number[]; label: string; state?: string }) {
  const width = 120;
  const height = 32;
  const max = Math.max(...values, 1e-9);
  const step = values.length > 1 ? width / (values.length - 1) : width;
  const points = values.map((it, at) => `${(at * step).toFixed(1)},${(height - 1 - (it / max) * (height - 3)).toFixed(1)}`);
  return (
    <svg class={`spark ${state ? `s-${state}` : ""}`} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length > 1 && <path class="area" d={`M0,${height} L${points.join(" L")} L${width},${height}Z`} />}
      {values.length > 1 && <path class="line" d={`M${points.join(" L")}`} />}
    </svg>
  );
}

/** The last runs, oldest left: height is time, colour and the label say how it ended. */
export function RunBars({ runs, max = 20 }: { runs: RecentRun[]; max?: number }) {
  const shown = runs.slice(0, max).reverse();
  const longest = Math.max(...shown.map((it) => it.duration_seconds ?? 0), 0.001);
  const failed = shown.filter((it) => it.state === "failed").length;
  return (
    <div class="bars over" role="img" aria-label={`last ${shown.length} runs, ${failed} failed`}>
      {shown.map((it) => {
        const height = it.duration_seconds == null ? 100 : Math.max(14, (it.duration_seconds / longest) * 100);
        return (
          <i key={it.run_id} class={`s-${it.state}`} style={{ height: `${height}%` }} title={`${it.state}, ${duration(it.duration_seconds)}`} />
        );
      })}
    </div>
  );
}
