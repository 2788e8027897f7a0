// States as people see them: a shape, a colour and a word, always together or with a label.

import type { State } from "../model/states";
import { STATES } from "../model/states";
import type { StateCounts } from "../model/types";

const SHAPES: Record<string, preact.JSX.Element> = {
  queued: <circle cx="8" cy="8" r="5.500" stroke-dasharray="2.200 2.100" />,
  waiting: <path d="M4.500 2.500h7M4.500 13.500h7M5.500 2.500c0 3.500 5 4 5 5.500s-5 2-5 5.500M10.500 2.500c0 3.500-5 4-5 5.500s5 2 5 5.500" />,
  running: (
    <g>
      <circle cx="8" cy="8" r="5.500" opacity="0.3" />
      <path class="spin" d="M8 2.500A5.500 5.500 0 0 1 13.500 8" />
    </g>
  ),
  complete: (
    <g>
      <circle cx="8" cy="8" r="6.200" fill="currentColor" stroke="none" />
      <path d="M5.300 8.300 7.200 10.200 10.800 6" stroke="var(--surface)" />
    </g>
  ),
  failed: (
    <g>
      <path d="M5.200 1.800h5.600l3.400 3.400v5.600l-3.400 3.400H5.200l-3.400-3.400V5.200z" fill="currentColor" stroke="none" />
      <path d="M6 6l4 4M10 6l-4 4" stroke="var(--surface)" />
    </g>
  ),
  skipped: <path d="M3 4.500 7 8l-4 3.500zM8.500 4.500l4 3.500-4 3.500zM13.800 4.500v7" />,
  paused: <path d="M5.500 3.500v9M10.500 3.500v9" stroke-width="2.200" />,
  stopped: <path d="M4.200 4.200h7.600v7.600H4.200z" fill="currentColor" />,
  idle: <circle cx="8" cy="8" r="3" fill="currentColor" stroke="none" />,
  unknown: <path d="M6 6.200a2 2 0 1 1 2.700 1.900c-.5.200-.7.600-.7 1.200M8 12v.1" />,
  trouble: <path d="M8 2.500 14.200 13.500H1.800zM8 6.500v3M8 11.500v.1" />,
  behind: <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12M8 4.800V8l2.200 1.600" />,
};
const SAME: Record<string, string> = {
  ok: "complete", ended: "stopped", page: "failed", error: "failed", warn: "trouble", info: "idle",
};

/** The shape alone; `label` says the word to a screen reader where no text stands beside it. */
export function StateIcon({ state, label }: { state: string | null | undefined; label?: boolean }) {
  const known = state ?? "unknown";
  const shape = SHAPES[SAME[known] ?? known] ?? SHAPES.unknown;
  const named = label ? { role: "img" as const, "aria-label": known } : { "aria-hidden": true as const };
  return (
    <svg class={`icon mark s-${known}`} viewBox="0 0 16 16" {...named}>
      {shape}
    </svg>
  );
}

interface BadgeProps {
  state: string | null | undefined;
  reason?: string | null | undefined;
  pill?: boolean;
}

/** Reasons that only repeat their state. */
const PLAIN = new Set(["ok", "executing", "error"]);

export function StateBadge({ state, reason, pill }: BadgeProps) {
  const word = state ?? "unknown";
  const why = reason && !PLAIN.has(reason) ? reason.replaceAll("_", " ") : undefined;
  return (
    <span class={`state s-${word} ${pill ? "pill" : ""}`}>
      <StateIcon state={word} />
      <span>
        {word}
        {why && <span class="why"> · {why}</span>}
      </span>
    </span>
  );
}

const ORDER: readonly State[] = ["failed", "running", "waiting", "queued", "skipped", "complete"];

/** How many stand where, as one bar; the words are in the legend or the label. */
export function StateBar({ counts }: { counts: StateCounts }) {
  const told = ["complete", "running", "failed", "skipped", "queued", "waiting"] as const;
  const label = STATES.filter((it) => counts[it] > 0).map((it) => `${counts[it]} ${it}`).join(", ");
  return (
    <div class="statebar" role="img" aria-label={label || "no nodes yet"}>
      {told.map((it) => counts[it] > 0 && <i key={it} class={`s-${it}`} style={{ flex: counts[it] }} />)}
    </div>
  );
}

export function StateLegend({ counts }: { counts: StateCounts }) {
  return (
    <div class="legend">
      {ORDER.filter((it) => counts[it] > 0).map((it) => (
        <span class={`state s-${it}`} key={it}>
          <StateIcon state={it} />
          <span><b class="num">{counts[it].toLocaleString("en")}</b> {it}</span>
        </span>
      ))}
    </div>
  );
}
