// Everything else that is known of a run: its ids and facts to copy, its files to take away, and the
// runs that belong to it.

import { get, path } from "../../api/client";
import type { Page, RunSummary } from "../../api/types";
import { useResource } from "../../app/resource";
import { to } from "../../app/router";
import { duration, shortId } from "../../ui/format";
import { Ago, Card, Copy } from "../../ui/parts";
import { StateBadge } from "../../ui/state";
import type { RunModel } from "./model";

export function About({ run }: { run: RunModel }) {
  const { run: header, pipelines } = run.snapshot;
  const facts: [string, string | undefined][] = [
    ["Run", run.id], ["Trace", header.trace_id], ["Tenant", header.tenant],
    ["Created", header.created_at], ["Started", header.started_at], ["Ended", header.ended_at], ["Last event", `${header.last_seq} at ${header.last_event_at ?? "–"}`],
    ...Object.entries(header.attributes ?? {}), ...pipelines.flatMap((it) => Object.entries(it.attributes ?? {}).map(([key, value]): [string, string] => [`${it.pipeline_id}: ${key}`, value])),
  ];
  return (
    <div class="stack">
      {!run.saved && <Children id={run.id} />}
      <Card title="About this run" end={!run.saved && <Files id={run.id} />}>
        <dl class="facts wide-keys">
          {facts.map(([key, value]) => value && (
            <><dt key={key}>{key}</dt><dd class="row" style={{ gap: "4px" }}><code>{value}</code><Copy text={value} label={`Copy ${key}`} /></dd></>
          ))}
        </dl>
      </Card>
    </div>
  );
}

function Files({ id }: { id: string }) {
  return (
    <>
      <a class="button small" href={path("runs", id, "report")} download={`${id}.report.json`}>Report</a>
      <a class="button small" href={path("runs", id)} download={`${id}.snapshot.json`}>Snapshot</a>
    </>
  );
}

/** Runs that were started by this one, or repeat it. */
function Children({ id }: { id: string }) {
  const children = useResource(`children ${id}`, (signal) => get<Page<RunSummary>>("/api/v1/runs", { parent: id }, signal), { everyMs: 10_000 });
  const items = children.value?.items ?? [];
  if (items.length === 0) return null;
  return (
    <Card title="Runs that belong to it" count={items.length} flush>
      <div class="table child-cols" role="table" aria-label="Runs that belong to it">
        {items.map((it) => (
          <div class="trow" role="row" key={it.run_id}>
            <span role="cell" class="row"><a class="main cut" data-row href={to("runs", it.run_id)}>{it.pipelines.join(", ") || "run"}</a><code class="dim small">{shortId(it.run_id)}</code></span>
            <span role="cell"><StateBadge state={it.state} reason={it.reason} /></span>
            <span role="cell" class="num right">{duration(it.duration_seconds)}</span>
            <span role="cell" class="right small dim"><Ago time={it.started_at} /></span>
          </div>
        ))}
      </div>
    </Card>
  );
}
