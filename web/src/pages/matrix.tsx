// Runs by pipeline and time: one lane a pipeline, one bar a run, the newest at the right. What
// failed stands out by colour and by height.

import { useState } from "preact/hooks";
import { get } from "../api/client";
import type { Page, RunSummary } from "../api/types";
import { now } from "../app/clock";
import { useResource } from "../app/resource";
import { navigate, setQuery, to } from "../app/router";
import { count, duration, plural } from "../ui/format";
import { Card, Choice, Loading } from "../ui/parts";
import { StateIcon } from "../ui/state";
import type { RunFilter } from "./runlist";

const SPANS = [["2", "2 h"], ["6", "6 h"], ["24", "24 h"]] as const;
const RUNS_MAX = 3000;
const LANES_MAX = 14;

async function loadSpan(since: string, filter: RunFilter, signal: AbortSignal): Promise<{ runs: RunSummary[]; cut: boolean }> {
  const runs: RunSummary[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<RunSummary> = await get<Page<RunSummary>>("/api/v1/runs", { ...filter, since, limit: 1000, cursor }, signal);
    runs.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && runs.length < RUNS_MAX);
  return { runs, cut: cursor !== null };
}

export function RunMatrix({ filter }: { filter: RunFilter }) {
  const [hours, setHours] = useState<"2" | "6" | "24">("6");
  const spanMs = Number(hours) * 3_600_000;
  const key = `matrix ${hours} ${JSON.stringify(filter)}`;
  const loaded = useResource(key, (signal) => loadSpan(new Date(Date.now() - spanMs).toISOString(), filter, signal), { everyMs: 15_000 });
  const lanes = lanesOf(loaded.value?.runs ?? []);
  const at = now.value;
  const percent = (time: string) => Math.min(100, Math.max(0, 100 - ((at - Date.parse(time)) / spanMs) * 100));
  const marks = [0.25, 0.5, 0.75].map((share) => ({ share, text: `${duration((spanMs / 1000) * (1 - share)).replace(" 00m", "")} ago` }));
  const hidden = lanes.length - LANES_MAX;
  if (lanes.length === 0 && (loaded.value || loaded.error)) return null;
  return (
    <Card title="By pipeline and time" end={<Choice label="Span" options={SPANS} value={hours} onPick={setHours} />} flush>
      {!loaded.value ? <Loading rows={5} /> : (
        <div class="matrix">
          {lanes.slice(0, LANES_MAX).map(([name, runs]) => (
            <div class="lane-row" key={name}>
              <button class="cut lane-name" onClick={() => setQuery({ pipeline: filter.pipeline === name ? null : name })} title={`Only ${name}`}>{name}</button>
              <div class="lane" role="img" onClick={open} aria-label={`${name}: ${plural(runs.length, "run")}, ${runs.filter((it) => it.state === "failed").length} failed`}>
                {marks.map((it) => <b key={it.share} style={{ left: `${it.share * 100}%` }} />)}
                {runs.map((it) => <MatrixBar key={it.run_id} it={it} percent={percent} />)}
              </div>
              <span class="small dim num right nowrap">{failuresOf(runs)}</span>
            </div>
          ))}
          <div class="lane-row axis-row" aria-hidden="true">
            <span />
            <div class="lane plain">{marks.map((it) => <span key={it.share} style={{ left: `${it.share * 100}%` }}>{it.text}</span>)}<span style={{ left: "100%" }}>now</span></div>
            <span />
          </div>
          {(hidden > 0 || loaded.value.cut) && (
            <p class="log-note dim small">
              {hidden > 0 && `${plural(hidden, "more pipeline")}; search to see them. `}
              {loaded.value.cut && `Only the newest ${count(RUNS_MAX)} runs of this span are drawn.`}
            </p>
          )}
        </div>
      )}
    </Card>
  );
}

/** A bar is a way to its run for the mouse; for everybody, the list beneath has the same runs. */
function open(event: MouseEvent): void {
  const id = (event.target as HTMLElement).dataset.run;
  if (id) navigate(to("runs", id));
}

function failuresOf(runs: RunSummary[]) {
  const failed = runs.filter((it) => it.state === "failed").length;
  if (failed === 0) return count(runs.length);
  return <span class="row s-failed" style={{ gap: "4px", color: "var(--c)" }}><StateIcon state="failed" />{failed}/{runs.length}</span>;
}

function lanesOf(runs: RunSummary[]): [string, RunSummary[]][] {
  const lanes = new Map<string, RunSummary[]>();
  for (const it of runs) {
    const name = it.pipelines[0] ?? "run";
    const lane = lanes.get(name);
    if (lane) lane.push(it);
    else lanes.set(name, [it]);
  }
  // Those with failures first, then by name: what needs a look is on top.
  const failed = (all: RunSummary[]) => (all.some((it) => it.state === "failed") ? 0 : 1);
  return [...lanes].sort((a, b) => failed(a[1]) - failed(b[1]) || a[0].localeCompare(b[0]));
}

function MatrixBar({ it, percent }: { it: RunSummary; percent: (time: string) => number }) {
  const from = percent(it.started_at ?? it.first_seen_at);
  const end = it.ended_at ? percent(it.ended_at) : 100;
  return (
    <i
      class={`tick s-${it.state ?? "unknown"}`} data-run={it.run_id}
      title={`${it.state ?? "unknown"} · ${duration(it.duration_seconds)} · ${it.started_at ?? ""}`}
      style={{ left: `${from}%`, width: `max(4px, ${(end - from).toFixed(2)}%)` }}
    />
  );
}
