// The row ledger: every row that was read is somewhere, or this says how many are not.

import { count, duration } from "../../ui/format";
import { Card, Empty } from "../../ui/parts";
import { StateBar, StateIcon } from "../../ui/state";
import type { RunModel } from "./model";

export function LedgerTable({ run }: { run: RunModel }) {
  const entries = run.snapshot.pipelines.flatMap((p) => p.ledger);
  const open = entries.filter((it) => unaccounted(it) !== 0).length;
  const verdict = entries.length > 0 && (open === 0
    ? <span class="tag state-tag s-complete"><StateIcon state="complete" />every row is accounted for</span>
    : <span class="tag state-tag s-failed"><StateIcon state="failed" />{open} of {entries.length} do not close</span>);
  return (
    <Card title="Row ledger" end={verdict} flush>
      {entries.length === 0 ? <Empty icon="table" title="No ledger yet">Copies tell it at their end, streams at each checkpoint.</Empty> : (
        <div class="scroll-x" tabIndex={0} role="group" aria-label="Row ledger, scrolls sideways">
          <div class="table ledger-cols" role="table" aria-label="Row ledger">
            <div class="thead" role="row">
              {["Table", "Sink"].map((it) => <span role="columnheader" key={it}>{it}</span>)}
              {["Read", "Delivered", "Filtered", "Dead letters", "Evicted", "In flight", "Missing"].map((it) => <span role="columnheader" class="right" key={it}>{it}</span>)}
            </div>
            {entries.map((it) => (
              <div class="trow" role="row" key={`${it.node_id} ${it.table} ${it.sink}`}>
                <span role="cell" class="cut main" title={it.table}>{it.table}</span>
                <span role="cell" class="cut ink2" title={it.sink}>{it.sink}</span>
                {[it.read, it.delivered, it.filtered, it.dead_lettered, it.evicted, it.in_flight].map((n, at) => <span role="cell" key={at} class={`num right ${n === 0 ? "dim" : ""}`}>{count(n)}</span>)}
                <span role="cell" class={`num right s-${unaccounted(it) === 0 ? "complete" : "failed"}`} style={{ color: "var(--c)", fontWeight: 600 }}>{count(unaccounted(it))}</span>
              </div>
            ))}
          </div>
        </div>
      )}
    </Card>
  );
}

function unaccounted(it: { read: number; delivered: number; filtered: number; dead_lettered: number; evicted: number; in_flight: number }): number {
  return it.read - it.delivered - it.filtered - it.dead_lettered - it.evicted - it.in_flight;
}

export function StageTable({ run }: { run: RunModel }) {
  const stages = run.snapshot.pipelines.flatMap((p) => p.stages.map((stage) => ({ pipeline: p.pipeline_id, ...stage })));
  if (stages.length === 0) return null;
  return (
    <Card title="Stages, over all nodes and attempts" flush>
      <div class="scroll-x" tabIndex={0} role="group" aria-label="Stages, scrolls sideways">
        <div class="table stage-cols" role="table" aria-label="Stages">
          <div class="thead" role="row">
            {["Stage", "States"].map((it) => <span role="columnheader" key={it}>{it}</span>)}
            {["Ended", "Time in all", "On average", "Rows"].map((it) => <span role="columnheader" class="right" key={it}>{it}</span>)}
          </div>
          {stages.map((it) => (
            <div class="trow" role="row" key={`${it.pipeline} ${it.stage_id}`}>
              <span role="cell" class="main">{it.stage_id}</span>
              <span role="cell"><StateBar counts={it.states} /></span>
              <span role="cell" class="num right">{count(it.timed)}</span>
              <span role="cell" class="num right">{duration(it.duration_seconds_total)}</span>
              <span role="cell" class="num right">{duration(it.duration_seconds_mean)}</span>
              <span role="cell" class="num right">{count(it.rows)}</span>
            </div>
          ))}
        </div>
      </div>
    </Card>
  );
}
