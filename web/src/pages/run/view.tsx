// The page of one run: header, graph and timeline together, and beside them the node that is
// selected. Everything that is selected is in the address.

import { useMemo } from "preact/hooks";
import { now } from "../../app/clock";
import { useKeys } from "../../app/keyboard";
import { place, setQuery, to } from "../../app/router";
import { Head, LinkState } from "../../app/shell";
import { isFinal } from "../../model/states";
import type { Snapshot } from "../../model/types";
import { ago, bytes, compact, duration, elapsed, shortId } from "../../ui/format";
import { Icon } from "../../ui/icons";
import { Card, Copy, Empty, ErrorBox, Panel, Stat, Tabs } from "../../ui/parts";
import { StateBadge, StateBar, StateLegend } from "../../ui/state";
import { About } from "./about";
import { AssetTable } from "./assets";
import { NodeDrawer } from "./drawer";
import { Gantt } from "./gantt";
import { RunGraph } from "./graph";
import { LedgerTable, StageTable } from "./ledger";
import { LogPanel } from "./logs";
import { findSelected, keyOf } from "./model";
import type { RunModel } from "./model";

export function select(key: string | null): void {
  setQuery({ node: key, attempt: null });
}

export function RunView({ run }: { run: RunModel }) {
  const { snapshot } = run;
  const query = place.value.query;
  const tab = query.get("tab") ?? "flow";
  const selected = findSelected(snapshot, query.get("node"));
  const rows = totalRows(snapshot);
  const counts = useMemo(
    () => ({
      assets: snapshot.pipelines.reduce((sum, it) => sum + it.assets.length, 0),
      ledger: snapshot.pipelines.reduce((sum, it) => sum + it.ledger.length, 0),
      logs: snapshot.pipelines.flatMap((it) => it.nodes).reduce((sum, it) => sum + it.log.lines, 0),
    }),
    [snapshot, run.version],
  );
  useRunKeys(run);
  return (
    <div class={selected ? "with-drawer" : ""}>
      <RunHead run={run} />
      {snapshot.run.error && <div class="gap"><ErrorBox error={snapshot.run.error} title="The run failed" /></div>}
      {run.abandoned && (
        <div class="verdict gap" role="status">
          <Icon name="warning" />
          <span><b>Its process went away.</b> <span class="ink2">Nobody has written the end of this run. It is shown as it was told last; start it again with <code>flowglass run --resume</code>.</span></span>
        </div>
      )}
      <dl class="stats gap">
        <Stat label={isFinal(snapshot.run.state) ? "Took" : "Running for"} value={duration(elapsed(snapshot.run, now.value))} />
        <Stat label="Rows read" value={compact(rows.extracted)} sub={rows.bytes ? bytes(rows.bytes) : undefined} />
        <Stat label="Rows written" value={compact(rows.written)} />
        <div class="stat wide">
          <dt>Nodes</dt>
          <dd><StateBar counts={snapshot.summary} /></dd>
          <dd class="sub"><StateLegend counts={snapshot.summary} /></dd>
        </div>
      </dl>
      <Tabs
        label="Parts of the run" current={tab} onPick={(id) => setQuery({ tab: id === "flow" ? null : id })}
        tabs={[
          { id: "flow", label: "Flow" }, { id: "assets", label: "Assets", count: counts.assets },
          { id: "ledger", label: "Ledger", count: counts.ledger }, { id: "log", label: "Log", count: counts.logs },
          { id: "about", label: "About" },
        ]}
      />
      <Panel tab={tab}>
        {snapshot.pipelines.length === 0 && <Empty icon="pipelines" title="Nothing has been told yet">The run has begun; its pipelines show up here as soon as they are known.</Empty>}
        {tab === "flow" && snapshot.pipelines.length > 0 && <Flow run={run} selected={selected && keyOf(selected.pipeline.pipeline_id, selected.node.node_id)} />}
        {tab === "assets" && <AssetTable run={run} />}
        {tab === "ledger" && <div class="stack"><LedgerTable run={run} /><StageTable run={run} /></div>}
        {tab === "log" && <Card title="Log of the whole run" flush><LogPanel run={run} heightPx={Math.max(320, innerHeight - 330)} /></Card>}
        {tab === "about" && <About run={run} />}
      </Panel>
      {selected && <NodeDrawer key={selected.node.node_id} run={run} pipeline={selected.pipeline} node={selected.node} />}
    </div>
  );
}

function Flow({ run, selected }: { run: RunModel; selected: string | undefined }) {
  return (
    <div class="stack">
      <Card title="Graph" flush><RunGraph run={run} selected={selected} /></Card>
      <Card title="Timeline" flush><Gantt run={run} selected={selected} /></Card>
    </div>
  );
}

function RunHead({ run }: { run: RunModel }) {
  const { snapshot: { run: header, pipelines }, saved } = run;
  const name = pipelines.map((it) => it.pipeline_id).join(", ") || "Run";
  const parent = header.attributes?.parent_run_id;
  // A run whose worker went away is still called running: how long it has been silent says more.
  const heard = isFinal(header.state) ? "" : `last event ${ago(run.lastHeardAt || header.last_event_at, now.value)}`;
  return (
    <Head
      name={`${name} ${header.state ?? ""}`} title={name} {...(saved ? {} : { crumbs: [["Runs", "/runs"]] as [string, string][] })}
      actions={!saved && (
        <span class="row">
          <span class="visually-hidden" role="status">{name} is {header.state ?? "not begun"}</span>
          {!isFinal(header.state) && <LinkState state={run.link} />}
          <span class="small dim num">{heard}</span>
        </span>
      )}
    >
      <div class="row small ink2">
        <StateBadge state={header.state} reason={header.reason} pill />
        <span class="row" style={{ gap: "2px" }}><code title={run.id}>{shortId(run.id)}</code><Copy text={run.id} label="Copy the run's id" /></span>
        {header.started_at && <span>started <time dateTime={header.started_at} title={header.started_at}>{ago(header.started_at, now.value)}</time></span>}
        {header.attributes?.trigger && <span>by {header.attributes.trigger}</span>}
        {header.attributes?.host && <span>on {header.attributes.host}</span>}
        {!saved && pipelines.map((it) => <a class="link" key={it.pipeline_id} href={to("pipelines", it.pipeline_id)}>{pipelines.length > 1 ? it.pipeline_id : "pipeline"}</a>)}
        {parent && (saved ? <span>repeats {shortId(parent)}</span> : <a class="link" href={to("runs", parent)}>repeats {shortId(parent)}</a>)}
      </div>
    </Head>
  );
}

function totalRows(snapshot: Snapshot) {
  const out = { extracted: 0, written: 0, bytes: 0 };
  for (const it of snapshot.pipelines.flatMap((p) => p.nodes)) {
    out.extracted += it.counts?.extracted ?? 0;
    out.written += (it.counts?.inserted ?? 0) + (it.counts?.updated ?? 0);
    out.bytes += it.counts?.bytes ?? 0;
  }
  return out;
}

function useRunKeys(run: RunModel): void {
  const all = run.snapshot.pipelines.flatMap((p) => p.nodes.map((it) => ({ key: keyOf(p.pipeline_id, it.node_id), state: it.state })));
  const at = all.findIndex((it) => it.key === place.value.query.get("node"));
  const order = ["flow", "assets", "ledger", "log", "about"];
  useKeys([
    { key: "f", does: "next failed node", act: () => {
      const next = [...all.slice(at + 1), ...all.slice(0, at + 1)].find((it) => it.state === "failed");
      if (next) select(next.key);
    } },
    { key: "t", does: "next part of the run", act: () => {
      const tab = order[(order.indexOf(place.value.query.get("tab") ?? "flow") + 1) % order.length]!;
      setQuery({ tab: tab === "flow" ? null : tab });
    } },
    { key: "Escape", does: "close the node", act: () => select(null) },
  ]);
}
