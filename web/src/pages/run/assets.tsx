// The run's datasets: where they stand, who makes them, how many rows, and whether their checks held.

import { useMemo, useState } from "preact/hooks";
import { setQuery } from "../../app/router";
import type { AssetView } from "../../model/types";
import { count } from "../../ui/format";
import { Ago, Card, Empty, Search } from "../../ui/parts";
import { StateBadge } from "../../ui/state";
import { VirtualList } from "../../ui/virtual";
import { keyOf } from "./model";
import type { RunModel } from "./model";

export function AssetTable({ run }: { run: RunModel }) {
  const [q, setQ] = useState("");
  const all = useMemo(
    () => run.snapshot.pipelines.flatMap((p) => p.assets.map((asset) => ({ pipeline: p.pipeline_id, asset }))),
    [run.snapshot, run.version],
  );
  const shown = useMemo(() => (q ? all.filter(({ asset }) => asset.asset_id.toLowerCase().includes(q.toLowerCase())) : all), [all, q]);
  return (
    <Card title="Assets" count={shown.length.toLocaleString("en")} flush end={<Search value={q} onInput={setQ} label="Search assets" />}>
      {shown.length === 0 ? (
        <Empty icon="assets" title={q ? "No asset fits" : "No assets"}>{q ? "Try fewer letters." : "The run has read and written nothing that it told of."}</Empty>
      ) : (
        <div class="scroll-x">
          <div class="table asset-cols" role="table" aria-label="Assets of the run" aria-rowcount={shown.length + 1}>
            <div class="thead" role="row">
              <span role="columnheader">Asset</span><span role="columnheader">State</span><span role="columnheader">Node</span>
              <span role="columnheader" class="right">Rows</span><span role="columnheader">Checks</span><span role="columnheader" class="right">Written</span>
            </div>
            <VirtualList
              total={shown.length} rowPx={40} heightMaxPx={Math.max(320, innerHeight - 340)} role="rowgroup"
              row={(at) => <AssetRow at={at} {...shown[at]!} />}
            />
          </div>
        </div>
      )}
    </Card>
  );
}

function AssetRow({ asset, pipeline, at }: { asset: AssetView; pipeline: string; at: number }) {
  const checks = Object.entries(asset.checks ?? {});
  const bad = checks.filter(([, it]) => !it.passed);
  return (
    <div class="trow" role="row" aria-rowindex={at + 2} style={{ height: "40px" }}>
      <span role="cell" class="cut">
        {asset.node_id ? (
          <button class="main cut" data-row onClick={() => setQuery({ node: keyOf(pipeline, asset.node_id!), attempt: null })}>{asset.name}</button>
        ) : <span class="cut" title={asset.asset_id}>{asset.name}</span>}
        <span class="dim small"> {asset.namespace}</span>
      </span>
      <span role="cell">{asset.state ? <StateBadge state={asset.state} /> : <span class="dim">not touched</span>}</span>
      <span role="cell" class="cut ink2">{asset.produced ? "" : "read by "}{asset.node_id ?? "–"}</span>
      <span role="cell" class="num right">{count(asset.rows)}</span>
      <span role="cell" class="cut" title={bad.map(([name, it]) => `${name}: ${it.detail}`).join("\n")}>
        {checks.length === 0 ? <span class="dim">–</span> : bad.length === 0 ? <StateText state="complete" text={`${checks.length} held`} /> : <StateText state={bad.some(([, it]) => it.severity === "error") ? "failed" : "waiting"} text={`${bad.length} of ${checks.length} did not hold`} />}
      </span>
      <span role="cell" class="right dim small"><Ago time={asset.updated_at} /></span>
    </div>
  );
}

function StateText({ state, text }: { state: string; text: string }) {
  return <span class={`s-${state}`} style={{ color: "var(--c)" }}>{state === "complete" ? "✓ " : "✗ "}{text}</span>;
}
