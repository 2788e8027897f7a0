// What fires now, and how the objectives stand: the worst budget first.

import { get } from "../api/client";
import type { Objective, Overview, Page, Slo } from "../api/types";
import { useResource } from "../app/resource";
import { to } from "../app/router";
import { Head } from "../app/shell";
import { duration, percent } from "../ui/format";
import { Card, Empty, Failure, Loading } from "../ui/parts";
import { StateIcon } from "../ui/state";
import { AttentionCard } from "./overview";

export function AlertsPage() {
  const overview = useResource("overview", (signal) => get<Overview>("/api/v1/overview", {}, signal), { everyMs: 5000 });
  const slo = useResource("slo", (signal) => get<Page<Slo>>("/api/v1/slo", {}, signal), { everyMs: 30_000 });
  const rows = (slo.value?.items ?? [])
    .flatMap(({ pipeline, objectives }) => objectives.map((objective) => ({ pipeline, objective })))
    .sort((a, b) => (a.objective.budget_left ?? 9) - (b.objective.budget_left ?? 9));
  const broken = rows.filter((it) => it.objective.ok === false).length;
  return (
    <>
      <Head title="Alerts" name="Alerts" />
      <div class="stack">
        {overview.error && <Failure error={overview.error} retry={overview.reload} />}
        {!overview.value && !overview.error && <Loading label="Loading alerts" />}
        {overview.value && <AttentionCard items={overview.value.attention} />}
        <Card title="Objectives" count={rows.length || undefined} flush end={rows.length > 0 && <span class="small ink2">{broken === 0 ? "all are kept" : `${broken} broken`}</span>}>
          {slo.error && <div class="body"><Failure error={slo.error} retry={slo.reload} /></div>}
          {!slo.value && !slo.error && <Loading label="Loading objectives" />}
          {slo.value && rows.length === 0 && <Empty icon="alerts" title="No objectives">Give a pipeline an <code>slo</code> with freshness, duration or success ratio, and it is watched here.</Empty>}
          {rows.length > 0 && (
            <div class="table slo-cols" role="table" aria-label="Objectives, the worst budget first">
              <div class="thead" role="row">
                <span role="columnheader">Pipeline</span><span role="columnheader">Objective</span><span role="columnheader" class="right">Is</span>
                <span role="columnheader" class="right c-rows">Should be</span><span role="columnheader" class="c-why">Budget left</span><span role="columnheader" class="right c-rows">Over</span>
              </div>
              {rows.map(({ pipeline, objective }) => <Row key={`${pipeline} ${objective.name}`} pipeline={pipeline} it={objective} />)}
            </div>
          )}
        </Card>
      </div>
    </>
  );
}

const isRatio = (it: Objective) => (it.unit ? it.unit === "ratio" : /(^|_)ratio($|_)/.test(it.name));

/** Ratios in percent, everything else in time; words as they come. */
function told(it: Objective, value: string | number | null): string {
  if (value === null) return "–";
  if (typeof value === "string") return value;
  return isRatio(it) ? percent(value, 2) : duration(value);
}

function Row({ pipeline, it }: { pipeline: string; it: Objective }) {
  const state = it.ok === null ? "unknown" : it.ok ? "complete" : "failed";
  const left = it.budget_left;
  const tone = left === null ? "skipped" : left <= 0 ? "failed" : left < 0.25 ? "waiting" : "complete";
  return (
    <div class="trow" role="row">
      <span role="cell" class="row"><StateIcon state={state} label /><a class="main cut" data-row href={to("pipelines", pipeline)}>{pipeline}</a></span>
      <span role="cell" class="cut">{it.name.replaceAll("_", " ")}</span>
      <span role="cell" class="num right" style={it.ok === false ? { color: "var(--failed)", fontWeight: 600 } : undefined}>{told(it, it.actual)}</span>
      <span role="cell" class="num right dim c-rows">{isRatio(it) ? "≥ " : "≤ "}{told(it, it.target)}</span>
      <span role="cell" class="row c-why">
        <span class="meter grow" aria-hidden="true"><i class={`s-${tone}`} style={{ width: `${Math.max(0, Math.min(1, left ?? 0)) * 100}%` }} /></span>
        <span class="num small" style={{ width: "52px", textAlign: "right" }}>{left === null ? "–" : left <= 0 ? "spent" : percent(left, 0)}</span>
      </span>
      <span role="cell" class="right small dim c-rows">{it.window}</span>
    </div>
  );
}
