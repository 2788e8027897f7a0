// The list of runs as data: pages are put one after the other, and what the feed tells is put in.

import type { RunSummary } from "../api/types";

export interface RunFilter {
  q: string;
  state: string;
  pipeline: string;
  tenant: string;
}

export function mergeRuns(before: RunSummary[], page: RunSummary[]): RunSummary[] {
  const known = new Set(before.map((it) => it.run_id));
  return [...before, ...page.filter((it) => !known.has(it.run_id))];
}

/** Known runs are told anew in their place; new ones that fit go to the front. */
export function placeNew(before: RunSummary[], told: RunSummary[], { q, state, pipeline, tenant }: RunFilter): RunSummary[] {
  const fresh = new Map(told.map((it) => [it.run_id, it]));
  const out = before.map((it) => fresh.get(it.run_id) ?? it);
  const known = new Set(before.map((it) => it.run_id));
  const fits = (it: RunSummary) =>
    !known.has(it.run_id) && (!state || state.split(",").includes(it.state ?? "")) && (!pipeline || it.pipelines.includes(pipeline)) && (!tenant || it.tenant === tenant) &&
    (!q || it.run_id.includes(q) || it.pipelines.some((name) => name.includes(q)));
  const front = told.filter(fits).sort((a, b) => b.first_seen_at.localeCompare(a.first_seen_at));
  return front.length ? [...front, ...out] : out;
}

/** The longest time of each pipeline's runs: what a run's own bar is measured by. */
export function longestOf(runs: RunSummary[]): Map<string, number> {
  const longest = new Map<string, number>();
  for (const it of runs) {
    const name = it.pipelines[0] ?? "";
    longest.set(name, Math.max(longest.get(name) ?? 1e-3, it.duration_seconds ?? 0));
  }
  return longest;
}
