// The fleet at one look: what needs somebody first, then what moves.

import { get } from "../api/client";
import type { Attention, Overview, Page, Pipeline, RunSummary } from "../api/types";
import { useFleet } from "../app/fleet";
import { useResource } from "../app/resource";
import { to } from "../app/router";
import { Head } from "../app/shell";
import { zeroCounts } from "../model/fold";
import { Chart } from "../ui/chart";
import { compact, count, duration, percent, plural } from "../ui/format";
import { Icon } from "../ui/icons";
import { Ago, Card, Empty, Failure, Loading, Stat, Told } from "../ui/parts";
import { Sparkline } from "../ui/spark";
import { StateBadge, StateBar, StateIcon, StateLegend } from "../ui/state";
import { limitingPart, perSecond } from "./stream/limits";
import { plainTitle } from "./words";
import { longestOf } from "./runlist";
import { RunRow } from "./runs";

export function OverviewPage() {
  const overview = useResource("overview", (signal) => get<Overview>("/api/v1/overview", {}, signal), { everyMs: 5000 });
  const fleet = useFleet();
  const runs = useResource("recent runs", (signal) => get<Page<RunSummary>>("/api/v1/runs", { limit: 8 }, signal), { everyMs: 5000 });
  const it = overview.value;
  return (
    <>
      <Head title="Overview" name="Overview" />
      {overview.error && <div class="gap"><Failure error={overview.error} retry={overview.reload} /></div>}
      {!it && !overview.error && <Loading rows={8} label="Loading the overview" />}
      {it && (
        <div class="stack">
          <Stats it={it} />
          <div class="two">
            <AttentionCard items={it.attention} />
            <div class="stack">
            <Card title="Rows per second" end={<span class="small dim num">last hour</span>}>
              {it.throughput.rows.length > 1
                ? <Chart label="Rows per second in the last hour" start={it.throughput.start} step_seconds={it.throughput.step_seconds} heightPx={200} series={[{ label: "rows/s", values: perSecond(it.throughput), color: "running" }]} />
                : <Empty icon="bolt" title="Nothing moved in the last hour" />}
            </Card>
            <DayOfRuns it={it} />
            </div>
          </div>
          <Streams pipelines={fleet.value} />
          <Card title="Latest runs" end={<a class="link small" href="/runs">All runs</a>} flush>
            {runs.value?.items.length === 0 && <Empty icon="runs" title="No runs yet">Start one with <code>flowglass run pipeline.yaml</code>.</Empty>}
            {runs.error && <div class="body"><Failure error={runs.error} retry={runs.reload} /></div>}
            {!!runs.value?.items.length && (
              <div class="table run-cols" role="table" aria-label="Latest runs">
                <div class="thead" role="row">
                  <span role="columnheader">Run</span><span role="columnheader" class="c-nodes">Nodes</span><span role="columnheader" class="right c-rows">Rows</span>
                  <span role="columnheader" class="c-why">What went wrong</span><span role="columnheader" class="right">Took</span><span role="columnheader" class="right">Started</span>
                </div>
                {runs.value.items.map((run, at) => <RunRow key={run.run_id} it={run} at={at} longest={longestOf(runs.value!.items).get(run.pipelines[0] ?? "") ?? 0} />)}
              </div>
            )}
          </Card>
        </div>
      )}
    </>
  );
}

function Stats({ it }: { it: Overview }) {
  const { complete = 0, failed = 0 } = it.runs.by_state_24h;
  const ended = complete + failed;
  const { running, paused, failed: broken, stalled } = it.streams;
  const rate = it.throughput.rows.slice(-5);
  const rows = rate.length ? rate.reduce((a, b) => a + b, 0) / rate.length / it.throughput.step_seconds : 0;
  const streams = [paused && `${paused} paused`, broken && `${broken} failed`, stalled && `${stalled} stalled`].filter(Boolean).join(", ");
  return (
    <dl class="stats">
      <Stat label="Need attention" value={count(it.attention.length)} {...(it.attention.some((a) => a.severity === "page") ? { state: "failed" } : {})} sub={it.attention.length === 0 ? "all is well" : plural(it.attention.filter((a) => a.severity === "page").length, "is urgent", "are urgent")} />
      <Stat label="Runs active" value={count(it.runs.active)} sub={`${count(ended)} ended in 24 h`} />
      <Stat label="Succeeded, 24 h" value={ended ? percent(complete / ended) : "–"} sub={failed ? <a class="link" href="/runs?state=failed">{count(failed)} failed</a> : "none failed"} />
      <Stat label="Streams running" value={count(running)} sub={streams || "none in trouble"} />
      <Stat label="Rows moving" value={compact(rows)} unit="/s" sub="last 5 min" />
      <Stat label="Events taken in" value={compact(it.events_per_second)} unit="/s" />
    </dl>
  );
}

function DayOfRuns({ it }: { it: Overview }) {
  const counts = { ...zeroCounts(), ...it.runs.by_state_24h };
  return (
    <Card title="Runs" end={<span class="small dim">last 24 hours</span>}>
      <div class="stack" style={{ gap: "9px" }}>
        <StateBar counts={counts} />
        {Object.values(counts).some(Boolean) ? <StateLegend counts={counts} /> : <p class="dim small">None yet.</p>}
      </div>
    </Card>
  );
}

export function AttentionCard({ items }: { items: Attention[] }) {
  return (
    <Card title="Needs attention" count={items.length || undefined} flush>
      {items.length === 0 ? <Empty icon="check" title="Nothing needs you">Failures, stalls, late pipelines and broken objectives show up here, the gravest first.</Empty> : (
        <ul class="attention">
          {items.map((it) => (
            <li key={`${it.kind} ${it.pipeline} ${it.since}`}>
              <StateIcon state={it.severity} />
              <div class="grow">
                <div class="row">
                  <a class="main cut" data-row href={it.run_id ? to("runs", it.run_id) : to("pipelines", it.pipeline)}>{it.pipeline}</a>
                  <span class={`sev s-${it.severity} cut`} title={it.title}>{plainTitle(it)}</span>
                  <span class="small dim right grow"><Ago time={it.since} /></span>
                </div>
                <p class="ink2 small"><Told text={it.detail} /></p>
                {it.hint && <p class="small dim row" style={{ gap: "5px" }}><Icon name="bulb" /><span><Told text={it.hint} /></span></p>}
              </div>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Streams({ pipelines }: { pipelines: Pipeline[] | undefined }) {
  const streams = pipelines?.filter((it) => it.stream) ?? [];
  if (streams.length === 0) return null;
  return (
    <Card title="Streams" count={streams.length} end={<a class="link small" href="/pipelines?kind=stream">All streams</a>} flush>
      <div class="table stream-cols" role="table" aria-label="Streams">
        <div class="thead" role="row">
          <span role="columnheader">Stream</span><span role="columnheader">State</span><span role="columnheader" class="c-spark">Rows, last 10 min</span><span role="columnheader" class="right">Rate</span>
          <span role="columnheader" class="c-spark">Lag, last 10 min</span><span role="columnheader" class="right">Lag</span><span role="columnheader" class="c-why">Limited by</span>
        </div>
        {streams.map((it) => <StreamRow key={it.name} it={it} />)}
      </div>
    </Card>
  );
}

export function StreamRow({ it }: { it: Pipeline }) {
  const s = it.stream!;
  const late = s.lag_seconds > 60;
  return (
    <div class="trow tall" role="row">
      <span role="cell" class="cut"><a class="main" data-row href={to("pipelines", it.name)}>{it.name}</a></span>
      <span role="cell"><StateBadge state={s.stalled ? "trouble" : it.state} />{s.stalled && <span class="visually-hidden">stalled</span>}</span>
      <span role="cell" class="c-spark"><Sparkline values={s.history.rows} state="running" label={`rows per second, now ${compact(s.rate_rows_per_second)}`} /></span>
      <span role="cell" class="num right">{compact(s.rate_rows_per_second)}<span class="dim small">/s</span></span>
      <span role="cell" class="c-spark"><Sparkline values={s.history.lag ?? []} state={late ? "failed" : "waiting"} label={`lag in seconds, now ${duration(s.lag_seconds)}`} /></span>
      <span role="cell" class={`num right ${late ? "s-failed" : ""}`} style={late ? { color: "var(--c)", fontWeight: 600 } : undefined}>{duration(s.lag_seconds)}</span>
      <span role="cell" class="cut ink2 c-why" title={s.stalled?.why ?? s.bottleneck?.why}>{s.stalled ? <><b>{limitingPart(s) ?? s.stalled.stage}</b> · <Told text={s.stalled.why} /></> : s.bottleneck ? <><b>{limitingPart(s) ?? s.bottleneck.stage}</b> · {s.bottleneck.why}</> : <span class="dim">nothing</span>}</span>
    </div>
  );
}
