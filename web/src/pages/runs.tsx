// All runs: a matrix of pipeline against time, and beneath it the list, newest first, that loads
// as one scrolls and stays current while one looks.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../api/client";
import type { Page, Pipeline, RunSummary } from "../api/types";
import { now } from "../app/clock";
import { useResource, useRested } from "../app/resource";
import { place, setQuery, to } from "../app/router";
import { Head } from "../app/shell";
import { feed } from "../live/feed";
import { STATES } from "../model/states";
import { ago, compact, count, duration, elapsed, shortId } from "../ui/format";
import { Card, Choice, Empty, Failure, Loading, Search, Told } from "../ui/parts";
import { StateBar, StateIcon } from "../ui/state";
import { VirtualList } from "../ui/virtual";
import { longestOf, mergeRuns, placeNew } from "./runlist";
import type { RunFilter } from "./runlist";
import { RunMatrix } from "./matrix";

const PAGE = 200;
const STATE_CHOICE = [["", "All"], ["running", "Running"], ["failed", "Failed"], ["complete", "Complete"], ["waiting,queued", "Waiting"]] as const;

export function RunsPage() {
  const query = place.value.query;
  const [q, setQ] = useState(query.get("q") ?? "");
  const rested = useRested(q, 200);
  useEffect(() => {
    if (rested !== (query.get("q") ?? "")) setQuery({ q: rested });
  }, [rested]);
  const filter: RunFilter = { q: rested, state: query.get("state") ?? "", pipeline: query.get("pipeline") ?? "", tenant: query.get("tenant") ?? "" };
  const pipelines = useResource("pipelines", (signal) => get<Page<Pipeline>>("/api/v1/pipelines", {}, signal));
  const names = pipelines.value?.items.map((it) => it.name) ?? [];
  const tenants = [...new Set([...(pipelines.value?.items ?? []).map((it) => it.tenant), ...(filter.tenant ? [filter.tenant] : [])])].sort();
  const state = STATE_CHOICE.find(([id]) => id === filter.state)?.[0] ?? (STATES.includes(filter.state as never) ? filter.state : "");
  return (
    <>
      <Head title="Runs" name="Runs" />
      <div class="toolbar">
        <Search value={q} onInput={setQ} label="Search by pipeline or id" width="250px" />
        <Choice label="State" options={STATE_CHOICE} value={state as ""} onPick={(it) => setQuery({ state: it })} />
        <Pick label="Pipeline" all="All pipelines" value={filter.pipeline} options={names} onPick={(it) => setQuery({ pipeline: it })} />
        {tenants.length > 1 && <Pick label="Tenant" all="All tenants" value={filter.tenant} options={tenants} onPick={(it) => setQuery({ tenant: it })} />}
      </div>
      <div class="stack">
        <RunMatrix filter={filter} />
        <RunList filter={filter} />
      </div>
    </>
  );
}

interface PickProps {
  label: string;
  all: string;
  value: string;
  options: string[];
  onPick: (it: string) => void;
}

function Pick({ label, all, value, options, onPick }: PickProps) {
  return (
    <label>
      <span class="visually-hidden">{label}</span>
      <select class="field" value={value} onChange={(event) => onPick(event.currentTarget.value)}>
        <option value="">{all}</option>
        {options.map((it) => <option key={it} value={it}>{it}</option>)}
        {value && !options.includes(value) && <option value={value}>{value}</option>}
      </select>
    </label>
  );
}

/** Pages of runs, loaded one after the other, with the newest put in as they are told. */
function useRuns(filter: RunFilter) {
  const key = JSON.stringify(filter);
  const [runs, setRuns] = useState<RunSummary[]>([]);
  const [rest, setRest] = useState<{ key: string; cursor: string | null; total: number | null }>();
  const [error, setError] = useState<Error>();
  const busy = useRef<AbortController | undefined>(undefined);
  const [turn, setTurn] = useState(0);

  const load = async (cursor: string | null) => {
    if (busy.current) return;
    const control = (busy.current = new AbortController());
    try {
      const page = await get<Page<RunSummary>>("/api/v1/runs", { ...filter, limit: PAGE, cursor }, control.signal);
      if (control.signal.aborted) return;
      setRuns((before) => (cursor ? mergeRuns(before, page.items) : page.items));
      setRest({ key, cursor: page.next_cursor, total: page.total });
      setError(undefined);
    } catch (problem) {
      if (!control.signal.aborted) setError(problem as Error);
    } finally {
      if (busy.current === control) busy.current = undefined;
    }
  };
  useEffect(() => {
    void load(null);
    return () => {
      busy.current?.abort();
      busy.current = undefined;
    };
  }, [key, turn]);
  useEffect(() => feed.listen(({ runs: told, reset }) => {
    if (reset) return setTurn((it) => it + 1);
    if (told.length > 0) setRuns((before) => placeNew(before, told, filter));
  }), [key]);
  const more = () => rest?.cursor && rest.key === key && void load(rest.cursor);
  return { runs, total: rest?.total ?? null, more, whole: rest ? rest.cursor === null : false, loading: rest?.key !== key, error, reload: () => setTurn((it) => it + 1) };
}

export function RunList({ filter }: { filter: RunFilter }) {
  const { runs, total, more, whole, loading, error, reload } = useRuns(filter);
  const longest = useMemo(() => longestOf(runs), [runs]);
  const filtered = filter.q || filter.state || filter.pipeline || filter.tenant;
  const said = total !== null ? count(total) : whole ? count(runs.length) : `${count(runs.length)}+`;
  return (
    <Card title="All runs" count={loading ? "" : said} flush>
      {error && <div class="body"><Failure error={error} retry={reload} /></div>}
      {loading && runs.length === 0 && !error && <Loading rows={10} label="Loading runs" />}
      {!loading && runs.length === 0 && !error && (
        <Empty icon="runs" title={filtered ? "No run fits" : "No runs yet"}>
          {filtered ? "Take a filter away, or search for less." : <>Start one with <code>flowglass run pipeline.yaml</code>, or let another tool report here.</>}
        </Empty>
      )}
      {runs.length > 0 && (
        <div class="table run-cols" role="table" aria-label="Runs, newest first" aria-rowcount={total ?? -1}>
          <div class="thead" role="row">
            <span role="columnheader">Run</span><span role="columnheader" class="c-nodes">Nodes</span><span role="columnheader" class="right c-rows">Rows</span>
            <span role="columnheader" class="c-why">What went wrong</span><span role="columnheader" class="right">Took</span><span role="columnheader" class="right">Started</span>
          </div>
          <VirtualList
            total={runs.length} rowPx={44} heightMaxPx={Math.max(360, innerHeight - 200)} role="rowgroup"
            onRange={(_, last) => last > runs.length - 60 && more()}
            row={(at) => <RunRow it={runs[at]!} at={at} longest={longest.get(runs[at]!.pipelines[0] ?? "") ?? 0} />}
          />
        </div>
      )}
    </Card>
  );
}

export function RunRow({ it, at, longest }: { it: RunSummary; at: number; longest: number }) {
  const time = it.started_at ?? it.first_seen_at;
  const seconds = elapsed(it, now.value);
  return (
    <div class="trow" role="row" aria-rowindex={at + 2} style={{ height: "44px" }}>
      <span role="cell" class="row">
        <StateIcon state={it.state} label />
        <a class="main cut" data-row href={to("runs", it.run_id)}>{it.pipelines.join(", ") || "run"}</a>
        <code class="dim small nowrap c-id">{shortId(it.run_id)}</code>
        {it.reason === "warning" && <span class="tag state-tag s-waiting">warning</span>}
      </span>
      <span role="cell" class="c-nodes"><StateBar counts={it.nodes.by_state} /></span>
      <span role="cell" class="num right c-rows">{compact(it.counts.extracted)}</span>
      <span role="cell" class="cut small ink2 c-why" title={it.error?.detail}>{it.error && <><code class="bad">{it.error.class}</code> <Told text={it.error.detail} /></>}</span>
      <span role="cell" class="num right took">
        {duration(seconds)}
        <span class="meter" aria-hidden="true"><i class={`s-${it.state}`} style={{ width: `${Math.min(100, ((seconds ?? 0) / longest) * 100)}%` }} /></span>
      </span>
      <span role="cell" class="num right dim small nowrap"><time dateTime={time} title={time}>{ago(time, now.value)}</time></span>
    </div>
  );
}
