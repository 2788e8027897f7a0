// All datasets, and the lineage of the one that is looked at: what it is made from, what is made
// from it, both ways.

import { useState } from "preact/hooks";
import { get } from "../api/client";
import type { Asset, AssetGraph, Page } from "../api/types";
import { now } from "../app/clock";
import { useResource, useRested } from "../app/resource";
import { place, setQuery, to } from "../app/router";
import { Head } from "../app/shell";
import { ago, bytes, compact, count, duration } from "../ui/format";
import { GraphView } from "../ui/graph/view";
import { Icon } from "../ui/icons";
import { Ago, Card, Choice, Empty, Failure, Loading, Search } from "../ui/parts";
import { StateIcon } from "../ui/state";
import { VirtualList } from "../ui/virtual";

const DEPTHS = [["1", "1"], ["2", "2"], ["3", "3"], ["5", "5"]] as const;
const PAGE = 500;

export function AssetsPage() {
  const focus = place.value.query.get("focus");
  return (
    <>
      <Head title="Assets" name="Assets" />
      <div class="stack">
        {focus && <Lineage focus={focus} />}
        <AssetList focus={focus} />
      </div>
    </>
  );
}

const keyOf = (it: { namespace: string; name: string }) => `${it.namespace}|${it.name}`;

function Lineage({ focus }: { focus: string }) {
  const depth = (place.value.query.get("depth") ?? "2") as "2";
  const graph = useResource(`graph ${focus} ${depth}`, (signal) => get<AssetGraph>("/api/v1/assets/graph", { focus, depth }, signal));
  const it = graph.value?.assets.find((asset) => keyOf(asset) === focus);
  return (
    <Card
      title={<span class="row"><Icon name="assets" />{focus.split("|").slice(1).join("|")}</span>} label="Lineage" flush
      end={
        <>
          <span class="small dim">steps</span>
          <Choice label="Steps each way" options={DEPTHS} value={depth} onPick={(next) => setQuery({ depth: next })} />
          <button class="button quiet icon-only small" aria-label="Close the lineage" onClick={() => setQuery({ focus: null, depth: null })}><Icon name="close" /></button>
        </>
      }
    >
      {graph.error && <div class="body"><Failure error={graph.error} retry={graph.reload} /></div>}
      {!graph.value && !graph.error && <Loading rows={5} label="Loading the lineage" />}
      {graph.value && graph.value.assets.length === 0 && <Empty icon="assets" title="Nothing is known of this asset">No run has told of reading or writing it.</Empty>}
      {graph.value && graph.value.assets.length > 0 && <Graph graph={graph.value} focus={focus} version={`${focus} ${depth}`} />}
      {it && <Facts it={it} />}
    </Card>
  );
}

function Graph({ graph, focus, version }: { graph: AssetGraph; focus: string; version: string }) {
  const assets = new Map(graph.assets.map((it) => [`asset:${keyOf(it)}`, it]));
  const jobs = new Map(graph.jobs.map((it) => [`job:${it.pipeline}|${it.node}`, it]));
  const boxes = [
    ...[...assets.keys()].map((id) => ({ id, width: 208, height: 46 })),
    ...[...jobs.keys()].map((id) => ({ id, width: 150, height: 34 })),
  ];
  return (
    <GraphView
      label="Lineage" heightMaxPx={380} boxes={boxes} arrows={graph.edges} version={`${version} ${boxes.length} ${graph.edges.length}`} selected={`asset:${focus}`}
      farClass={(id) => (assets.has(id) ? "s-info" : "s-idle")} onPick={(id) => assets.has(id) && setQuery({ focus: id.slice(6) }, { replace: false })}
      render={({ id }) => {
        const asset = assets.get(id);
        if (asset) {
          return (
            <button class={`gnode ${id === `asset:${focus}` ? "on" : ""}`} aria-pressed={id === `asset:${focus}`} onClick={() => setQuery({ focus: keyOf(asset) }, { replace: false })}>
              <Icon name="table" class="mark" /><b class="cut" title={asset.name}>{asset.name}</b>
              <small class="cut">{[asset.rows !== null && `${compact(asset.rows)} rows`, asset.last_event_at && ago(asset.last_event_at, now.value)].filter(Boolean).join(" · ") || asset.namespace}</small>
            </button>
          );
        }
        const job = jobs.get(id)!;
        return <a class="gnode job" href={to("pipelines", job.pipeline)} title={`${job.pipeline}/${job.node}`}><Icon name="command" class="mark" /><b class="cut">{job.node}</b></a>;
      }}
    />
  );
}

function Facts({ it }: { it: Asset }) {
  const failed = it.checks.filter((check) => !check.ok);
  return (
    <div class="asset-facts">
      <dl class="facts">
        <dt>Namespace</dt><dd><code>{it.namespace}</code></dd>
        <dt>Made by</dt><dd>{it.producer ? <a class="link" href={to("pipelines", it.producer.pipeline)}>{it.producer.pipeline} / {it.producer.node}</a> : "nothing that reports here"}</dd>
        <dt>Last told of</dt><dd><Ago time={it.last_event_at} />{it.last_run_id && <> by <a class="link" href={to("runs", it.last_run_id)}>this run</a></>}</dd>
        <dt>Fresh</dt><dd>{it.freshness_seconds === null ? "not known" : `${duration(it.freshness_seconds)} old`}</dd>
        <dt>Rows</dt><dd class="num">{count(it.rows)}{it.bytes === null ? "" : `, ${bytes(it.bytes)}`}</dd>
      </dl>
      <div>
        <h3>Columns</h3>
        {Array.isArray(it.schema) && it.schema.length > 0 ? <ul class="columns">{it.schema.map((column) => <li key={column.name}><span>{column.name}</span><code class="dim">{column.type}</code></li>)}</ul> : <p class="dim small">Its schema was not told.</p>}
      </div>
      <div>
        <h3>Checks{failed.length ? `, ${failed.length} did not hold` : ""}</h3>
        {it.checks.length === 0 ? <p class="dim small">None.</p> : (
          <ul class="refs">{it.checks.map((check) => <li class="row" key={check.name}><StateIcon state={check.ok ? "complete" : "failed"} label /><span class="cut" title={check.detail}>{check.name}</span><span class="dim small"><Ago time={check.at} /></span></li>)}</ul>
        )}
      </div>
    </div>
  );
}

function AssetList({ focus }: { focus: string | null }) {
  const [q, setQ] = useState("");
  const rested = useRested(q, 200);
  const [pages, setPages] = useState(1);
  const list = useResource(`assets ${rested} ${pages}`, async (signal) => {
    const items: Asset[] = [];
    let cursor: string | null = null;
    let total: number | null = null;
    for (let at = 0; at < pages; at += 1) {
      const page: Page<Asset> = await get<Page<Asset>>("/api/v1/assets", { q: rested, limit: PAGE, cursor }, signal);
      items.push(...page.items);
      cursor = page.next_cursor;
      total = page.total;
      if (!cursor) break;
    }
    return { items, more: cursor !== null, total };
  }, { everyMs: 30_000 });
  const items = list.value?.items ?? [];
  return (
    <Card title="All assets" count={list.value ? count(list.value.total ?? items.length) : undefined} flush end={<Search value={q} onInput={setQ} label="Search assets" />}>
      {list.error && <div class="body"><Failure error={list.error} retry={list.reload} /></div>}
      {!list.value && !list.error && <Loading rows={8} label="Loading assets" />}
      {list.value && items.length === 0 && <Empty icon="assets" title={q ? "No asset fits" : "No assets yet"}>{q ? "Search for less." : "Datasets show up here with the first run that reads or writes them."}</Empty>}
      {items.length > 0 && (
        <div class="table assets-cols" role="table" aria-label="Assets" aria-rowcount={list.value?.total ?? items.length}>
          <div class="thead" role="row">
            <span role="columnheader">Asset</span><span role="columnheader" class="c-why">Made by</span><span role="columnheader" class="right c-rows">Rows</span><span role="columnheader" class="c-rows">Checks</span><span role="columnheader" class="right">Last told of</span>
          </div>
          <VirtualList total={items.length} rowPx={42} heightMaxPx={focus ? 420 : Math.max(360, innerHeight - 220)} role="rowgroup" row={(at) => <Row it={items[at]!} at={at} on={keyOf(items[at]!) === focus} />} />
        </div>
      )}
      {list.value?.more && <p class="log-note"><button class="button small" onClick={() => setPages(pages + 1)}>Show more</button></p>}
    </Card>
  );
}

function Row({ it, at, on }: { it: Asset; at: number; on: boolean }) {
  const bad = it.checks.filter((check) => !check.ok).length;
  return (
    <div class={`trow ${on ? "on" : ""}`} role="row" aria-rowindex={at + 2} style={{ height: "42px" }}>
      <span role="cell" class="cut"><button class="main" data-row onClick={() => setQuery({ focus: keyOf(it) }, { replace: false })}>{it.name}</button> <span class="dim small">{it.namespace}</span></span>
      <span role="cell" class="cut ink2 c-why">{it.producer ? `${it.producer.pipeline} / ${it.producer.node}` : <span class="dim">–</span>}</span>
      <span role="cell" class="num right c-rows">{compact(it.rows)}</span>
      <span role="cell" class="c-rows small">{it.checks.length === 0 ? <span class="dim">–</span> : bad ? <span class="row s-failed" style={{ gap: "5px", color: "var(--c)" }}><StateIcon state="failed" />{bad} of {it.checks.length} did not hold</span> : <span class="row s-complete" style={{ gap: "5px", color: "var(--c)" }}><StateIcon state="complete" />{it.checks.length} held</span>}</span>
      <span role="cell" class="right small dim"><Ago time={it.last_event_at} /></span>
    </div>
  );
}
