// A stream, live: what limits it, the flow from source to sinks, and everything that one needs to
// trust it: tables, ledger, checkpoints, dead letters, schemas.

import { get, path, post } from "../../api/client";
import type { Checkpoint, CommandDone, LedgerRow, Page, PipelineDetail, SchemaRow, StreamView } from "../../api/types";
import { useResource } from "../../app/resource";
import { place, setQuery, to } from "../../app/router";
import { ask } from "../../ui/dialog";
import { Chart } from "../../ui/chart";
import { bytes, compact, count, duration, percent, plural, shortId } from "../../ui/format";
import { Icon } from "../../ui/icons";
import { Ago, Card, Empty, Failure, Hint, Loading, Panel, Stat, Tabs, Told } from "../../ui/parts";
import { StateIcon } from "../../ui/state";
import { Manifest } from "../pipeline";
import { Flow } from "./flow";
import { limitingPart, perSecond } from "./limits";
import { Letters } from "./letters";

export function StreamBody({ it }: { it: PipelineDetail }) {
  const s = it.stream;
  const tab = place.value.query.get("tab") ?? "flow";
  if (!s) return <Card><Empty icon="pipelines" title="The stream has not run yet">Start it to see what flows.</Empty></Card>;
  return (
    <>
      {it.fault && <div class="failure gap"><strong>It cannot run</strong><div class="detail"><Told text={it.fault} /></div></div>}
      <Verdict s={s} />
      {s.snapshot && s.snapshot.expected > 0 && <FirstReading {...s.snapshot} />}
      {s.remarks?.map((text) => <p class="small ink2 gap" key={text}><Told text={text} /></p>)}
      <dl class="stats gap">
        <Stat label="Rate" value={compact(s.rate_rows_per_second)} unit="rows/s" sub={`${bytes(s.rate_bytes_per_second)}/s`} />
        <Stat label="Behind by" value={duration(s.lag_seconds)} {...(s.lag_seconds > 60 ? { state: "failed" } : {})} sub={s.lag_bytes === null ? undefined : bytes(s.lag_bytes)} />
        <Stat label="Idle for" value={duration(s.idle_seconds)} />
        <Stat label="Rows read" value={compact(s.read_rows)} sub={count(s.read_rows)} />
        <Stat label="Dead letters" value={count(s.dead_letters.entries)} {...(s.dead_letters.entries > 0 ? { state: "waiting" } : {})} sub={s.dead_letters.entries_max === null ? undefined : `room for ${compact(s.dead_letters.entries_max)}`} />
        {s.run_id && <Stat label="Run" value={<a class="link mono small" href={to("runs", s.run_id)}>{shortId(s.run_id)}</a>} sub={s.live ? "live" : "not running here"} />}
      </dl>
      <Tabs
        label="Parts of the stream" current={tab} onPick={(id) => setQuery({ tab: id === "flow" ? null : id })}
        tabs={[
          { id: "flow", label: "Flow" }, { id: "tables", label: "Tables", count: s.tables.length }, { id: "ledger", label: "Ledger" },
          { id: "letters", label: "Dead letters", count: s.dead_letters.entries }, { id: "checkpoints", label: "Checkpoints" }, { id: "schemas", label: "Schemas" },
          { id: "manifest", label: "Manifest" },
        ]}
      />
      <Panel tab={tab}>
        {tab === "flow" && (
          <div class="stack">
            <Card title="Flow" flush><Flow s={s} moving={it.state === "running" && s.rate_rows_per_second > 0} /></Card>
            <div class="two even">
              <Card title="Rows per second" end={<span class="small dim">last 10 min</span>}><Chart label="Rows per second" {...s.history} series={[{ label: "rows/s", values: perSecond(s.history), color: "running" }]} /></Card>
              <Card title="Lag" end={<span class="small dim">last 10 min</span>}><Chart label="Lag" {...s.history} series={[{ label: "lag", values: s.history.lag ?? [], color: "waiting", format: (v) => duration(v) }]} /></Card>
            </div>
          </div>
        )}
        {tab === "tables" && <Tables s={s} name={it.name} />}
        {tab === "ledger" && <Ledger name={it.name} />}
        {tab === "letters" && <Letters name={it.name} sinks={s.sinks.map((sink) => sink.id)} />}
        {tab === "checkpoints" && <Checkpoints name={it.name} s={s} />}
        {tab === "schemas" && <Schemas name={it.name} />}
        {tab === "manifest" && <Manifest it={it} />}
      </Panel>
    </>
  );
}

/** The one sentence that says what is wrong, or what limits the stream. */
function Verdict({ s }: { s: StreamView }) {
  if (s.stalled) {
    return (
      <div class="failure gap">
        <div class="row wrap"><strong>Nothing moves: <code>{limitingPart(s) ?? s.stalled.stage}</code></strong><span class="small ink2">since <Ago time={s.stalled.since} /></span></div>
        <div class="detail"><Told text={s.stalled.why} /></div>
        <Hint>Rows that were read wait in order and nothing is lost; it goes on by itself once the cause is gone.</Hint>
      </div>
    );
  }
  const trouble = s.sinks.find((it) => it.state === "trouble");
  if (trouble) {
    return <div class="failure gap"><strong>Sink <code>{trouble.id}</code> is in trouble</strong><div class="detail"><Told text={trouble.trouble ?? ""} />{trouble.attempts > 0 && `, ${plural(trouble.attempts, "attempt")} so far`}</div></div>;
  }
  if (!s.bottleneck) return null;
  return (
    <div class="verdict gap">
      <Icon name="bolt" />
      <span>Limited by <b>{limitingPart(s) ?? s.bottleneck.stage}</b> <span class="ink2">{s.bottleneck.why}</span></span>
    </div>
  );
}

/** How far the first reading of the source's tables has come. */
function FirstReading({ done, expected }: { done: number; expected: number }) {
  const share = Math.min(1, done / expected);
  return (
    <div class="verdict gap calm">
      <Icon name="down" />
      <span>Reads what is there already: <b class="num">{percent(share, 0)}</b> <span class="ink2 num">{count(done)} of {count(expected)} rows</span></span>
      <span class="meter grow" aria-hidden="true"><i class="s-running" style={{ width: `${share * 100}%` }} /></span>
    </div>
  );
}

function Tables({ s, name }: { s: StreamView; name: string }) {
  const again = (table: string) =>
    ask({
      title: `Read ${table} again?`, action: "Read again",
      text: "All its rows are read from the source beside the log, and delivered anew. The stream goes on meanwhile.",
      act: async () => {
        const done = await post<CommandDone>(path("pipelines", name, "resync"), { table });
        return `${table}: ${done.said ?? done.outcome}.`;
      },
    });
  return (
    <Card title="Tables" count={s.tables.length} flush>
      {s.tables.length === 0 ? <Empty icon="table" title="No rows yet" /> : (
        <div class="table table-cols" role="table" aria-label="Tables">
          <div class="thead" role="row"><span role="columnheader">Table</span><span role="columnheader" class="right">Rows</span><span role="columnheader" class="right">Behind by</span><span role="columnheader"><span class="visually-hidden">Actions</span></span></div>
          {s.tables.map((it) => (
            <div class="trow" role="row" key={it.table}>
              <span role="cell" class="main cut">{it.table}</span><span role="cell" class="num right">{count(it.rows)}</span><span role="cell" class="num right">{duration(it.lag_seconds)}</span>
              <span role="cell" class="right"><button class="button quiet small" aria-label={`Read again ${it.table}`} title="Read it again" onClick={() => again(it.table)}><Icon name="replay" /><span class="again-word">Read again</span></button></span>
            </div>
          ))}
        </div>
      )}
    </Card>
  );
}

function Ledger({ name }: { name: string }) {
  const rows = useResource(`ledger ${name}`, (signal) => get<Page<LedgerRow>>(path("pipelines", name, "ledger"), {}, signal), { everyMs: 5000 });
  const items = rows.value?.items ?? [];
  const open = items.filter((it) => !it.closed).length;
  const verdict = items.length > 0 && (open === 0
    ? <span class="tag state-tag s-complete"><StateIcon state="complete" />every row is accounted for</span>
    : <span class="tag state-tag s-failed"><StateIcon state="failed" />{open} of {items.length} do not close</span>);
  const heads = ["Read", "Delivered", "Filtered", "Dead letters", "Evicted", "In flight", "Missing"];
  return (
    <Card title="Row ledger" end={verdict} flush>
      {rows.error && <div class="body"><Failure error={rows.error} retry={rows.reload} /></div>}
      {!rows.value && !rows.error && <Loading />}
      {rows.value && items.length === 0 && <Empty icon="table" title="No ledger yet">It is told at each checkpoint.</Empty>}
      {items.length > 0 && (
        <div class="scroll-x" tabIndex={0} role="group" aria-label="Row ledger, scrolls sideways">
          <div class="table stream-ledger-cols" role="table" aria-label="Row ledger">
            <div class="thead" role="row"><span role="columnheader">Table</span><span role="columnheader">Sink</span>{heads.map((it) => <span role="columnheader" class="right" key={it}>{it}</span>)}</div>
            {items.map((it) => (
              <div class="trow" role="row" key={`${it.sink} ${it.table}`}>
                <span role="cell" class="main cut">{it.table}</span><span role="cell" class="cut ink2">{it.sink}</span>
                {[it.read_rows, it.delivered, it.filtered, it.dead_lettered, it.evicted, it.in_flight].map((n, at) => <span role="cell" key={at} class={`num right ${n === 0 ? "dim" : ""}`}>{count(n)}</span>)}
                <span role="cell" class={`num right s-${it.closed ? "complete" : "failed"}`} style={{ color: "var(--c)", fontWeight: 600 }}>{it.closed ? "✓ " : "✗ "}{count(it.balance)}</span>
              </div>
            ))}
          </div>
        </div>
      )}
    </Card>
  );
}

function Checkpoints({ name, s }: { name: string; s: StreamView }) {
  const rows = useResource(`checkpoints ${name}`, (signal) => get<Page<Checkpoint>>(path("pipelines", name, "checkpoints"), {}, signal), { everyMs: 5000 });
  return (
    <div class="stack">
      <Card title="Positions">
        <dl class="facts">
          <dt>Source's end</dt><dd><code>{s.head ?? "not known"}</code></dd>
          <dt>Handed to the sinks</dt><dd><code>{s.handed ?? "–"}</code></dd>
          <dt>Committed</dt><dd><code>{s.committed ?? "–"}</code></dd>
        </dl>
      </Card>
      <Card title="Checkpoints" flush>
        {rows.error && <div class="body"><Failure error={rows.error} retry={rows.reload} /></div>}
        {rows.value?.items.length === 0 && <Empty icon="clock" title="No checkpoint yet" />}
        {!!rows.value?.items.length && (
          <div class="table check-cols" role="table" aria-label="Checkpoints">
            <div class="thead" role="row"><span role="columnheader">Sink</span><span role="columnheader">Position</span><span role="columnheader" class="right">At</span></div>
            {rows.value.items.map((it) => (
              <div class="trow" role="row" key={it.sink}><span role="cell" class="main">{it.sink}</span><code role="cell">{it.position}</code><span role="cell" class="right dim small"><Ago time={it.at} /></span></div>
            ))}
          </div>
        )}
      </Card>
    </div>
  );
}

function Schemas({ name }: { name: string }) {
  const rows = useResource(`schemas ${name}`, (signal) => get<Page<SchemaRow>>(path("pipelines", name, "schemas"), {}, signal));
  if (rows.error) return <Failure error={rows.error} retry={rows.reload} />;
  if (!rows.value) return <Loading />;
  if (rows.value.items.length === 0) return <Card><Empty icon="table" title="No schema seen yet" /></Card>;
  return (
    <div class="stack">
      {rows.value.items.map((it) => (
        <Card key={`${it.asset} ${it.at}`} title={it.asset} end={<span class="small dim"><Ago time={it.at} /></span>}>
          {it.change && <p class="gap"><span class="tag state-tag s-waiting">changed</span> <Told text={it.change} /></p>}
          <ul class="columns">
            {(Array.isArray(it.columns) ? it.columns : []).map((column) => <li key={column.name}><span>{column.name}</span><code class="dim">{column.type}{column.nullable ? "" : " not null"}</code></li>)}
          </ul>
        </Card>
      ))}
    </div>
  );
}
