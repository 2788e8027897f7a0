// All pipelines: workflows with their last runs, streams with their rate and lag.

import { useState } from "preact/hooks";
import type { Pipeline } from "../api/types";
import { now } from "../app/clock";
import { useFleet } from "../app/fleet";
import { place, setQuery, to } from "../app/router";
import { Head } from "../app/shell";
import { ago, compact, duration } from "../ui/format";
import { Ago, Card, Choice, Empty, Failure, Loading, Search } from "../ui/parts";
import { RunBars, Sparkline } from "../ui/spark";
import { StateBadge } from "../ui/state";
import { Icon } from "../ui/icons";

const KINDS = [["", "All"], ["workflow", "Workflows"], ["stream", "Streams"]] as const;

export function PipelinesPage() {
  const fleet = useFleet();
  const [q, setQ] = useState("");
  const kind = (place.value.query.get("kind") ?? "") as "" | "workflow" | "stream";
  const fits = (it: Pipeline) => {
    const text = `${it.name} ${it.tenant} ${Object.entries(it.labels).map(([k, v]) => `${k}=${v}`).join(" ")}`;
    return (!kind || it.kind === kind) && text.toLowerCase().includes(q.toLowerCase());
  };
  const shown = (fleet.value ?? []).filter(fits).sort((a, b) => graveness(a) - graveness(b) || a.name.localeCompare(b.name));
  return (
    <>
      <Head title="Pipelines" name="Pipelines" />
      <div class="toolbar">
        <Search value={q} onInput={setQ} label="Search by name or label" width="250px" />
        <Choice label="Kind" options={KINDS} value={kind} onPick={(it) => setQuery({ kind: it })} />
      </div>
      <Card flush label="Pipelines">
        {fleet.error && <div class="body"><Failure error={fleet.error} retry={fleet.reload} /></div>}
        {!fleet.value && !fleet.error && <Loading rows={8} label="Loading pipelines" />}
        {fleet.value && shown.length === 0 && (
          <Empty icon="pipelines" title={fleet.value.length ? "No pipeline fits" : "No pipelines yet"}>
            {fleet.value.length ? "Search for less, or choose another kind." : <>Put a manifest into the folder that <code>flowglass serve --config</code> reads, or let another tool report here.</>}
          </Empty>
        )}
        {shown.length > 0 && (
          <div class="table pipe-cols" role="table" aria-label="Pipelines">
            <div class="thead" role="row">
              <span role="columnheader">Pipeline</span><span role="columnheader">State</span><span role="columnheader" class="c-spark">Lately</span>
              <span role="columnheader" class="right c-pace">Pace</span><span role="columnheader" class="c-next">Next, or behind by</span><span role="columnheader" class="right c-last">Last run</span>
            </div>
            {shown.map((it) => <Row key={it.name} it={it} />)}
          </div>
        )}
      </Card>
    </>
  );
}

/** What is broken comes first, then what is late, then the rest. */
function graveness(it: Pipeline): number {
  if (it.state === "failed") return 0;
  if (it.stream?.stalled) return 1;
  return it.late ? 2 : 3;
}

function median(values: number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function Row({ it }: { it: Pipeline }) {
  const s = it.stream;
  const usual = median(it.recent.flatMap((run) => run.duration_seconds ?? []));
  return (
    <div class="trow tall" role="row">
      <span role="cell" class="row">
        <Icon name={s || it.kind === "stream" ? "pipelines" : "overview"} class="dim" />
        <span class="cut">
          <a class="main" data-row href={to("pipelines", it.name)}>{it.name}</a>
          <span class="dim small c-labels"> {Object.entries(it.labels).map(([k, v]) => `${k}=${v}`).join(" ")}</span>
        </span>
        {it.late && <span class="tag state-tag s-waiting"><Icon name="clock" /><span class="late-word">late</span></span>}
      </span>
      <span role="cell"><StateBadge state={s?.stalled ? "trouble" : it.state} /></span>
      <span role="cell" class="c-spark">{s ? <Sparkline values={s.history.rows} state="running" label="rows per second, last 10 minutes" /> : <RunBars runs={it.recent} max={24} />}</span>
      <span role="cell" class="num right nowrap c-pace">{s ? <>{compact(s.rate_rows_per_second)}<span class="dim small">/s</span></> : duration(usual)}</span>
      <span role="cell" class="num ink2 cut c-next">
        {s ? <>behind {duration(s.lag_seconds)}</> : it.schedule ? <><code class="dim">{it.schedule.cron}</code> {it.schedule.next_at ? ago(it.schedule.next_at, now.value) : ""}</> : <span class="dim">by hand</span>}
      </span>
      <span role="cell" class="right small dim c-last">{s ? (s.live ? "live" : "–") : <Ago time={it.last_run?.started_at} />}</span>
    </div>
  );
}
