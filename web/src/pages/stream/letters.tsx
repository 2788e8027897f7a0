// Dead letters: the rows that a sink could not take, with why, and what can be done about them.

import { useState } from "preact/hooks";
import { get, path, post } from "../../api/client";
import type { Letter, Page } from "../../api/types";
import { useResource } from "../../app/resource";
import { ask } from "../../ui/dialog";
import { bytes, count, plural } from "../../ui/format";
import { Icon } from "../../ui/icons";
import { Ago, Card, Copy, Empty, Failure, Hint, Loading, Told } from "../../ui/parts";

type Act = "ack" | "purge" | "replay";
interface Filter {
  sink: string;
  class: string;
  status: string;
}

const WORDS: Record<Act, { label: string; text: string }> = {
  ack: { label: "Acknowledge", text: "They stay, marked as seen, and no longer count as open." },
  replay: { label: "Replay", text: "They are sent to their sink again, in their order. What is taken is marked as replayed." },
  purge: { label: "Purge", text: "They are removed for good. The ledger goes on counting them as dead letters." },
};

export function Letters({ name, sinks }: { name: string; sinks: string[] }) {
  const [filter, setFilter] = useState<Filter>({ sink: "", class: "", status: "open" });
  const [picked, setPicked] = useState<Set<number>>(new Set());
  const [open, setOpen] = useState<number>();
  const [limit, setLimit] = useState(100);
  const key = `letters ${name} ${JSON.stringify(filter)} ${limit}`;
  const page = useResource(key, (signal) => get<Page<Letter>>(path("pipelines", name, "dlq"), { ...filter, limit }, signal), { everyMs: 10_000 });
  const items = page.value?.items ?? [];
  const classes = [...new Set([...items.map((it) => it.class), ...(filter.class ? [filter.class] : [])])].sort();
  const all = picked.size === 0;

  const act = (what: Act) => {
    const body = all
      ? { all: true, ...(filter.sink ? { sink: filter.sink } : {}), ...(filter.class ? { class: filter.class } : {}) }
      : { numbers: [...picked] };
    const which = all ? `all ${page.value?.total == null ? "" : count(page.value.total)} letters that fit` : plural(picked.size, "letter");
    ask({
      title: `${WORDS[what].label} ${which}?`, text: WORDS[what].text, action: WORDS[what].label, danger: what === "purge",
      act: async () => {
        const { matched, done } = await post<{ matched: number; done: number }>(path("pipelines", name, "dlq", what), body);
        setPicked(new Set());
        page.reload();
        return done === matched ? `${plural(done, "letter")}: done.` : `${count(done)} of ${plural(matched, "letter")} done; the others are still here with why.`;
      },
    });
  };
  const toggle = (number: number) => {
    const next = new Set(picked);
    if (!next.delete(number)) next.add(number);
    setPicked(next);
  };
  return (
    <Card
      title="Dead letters" count={page.value?.total ?? items.length} flush
      end={
        <>
          {picked.size > 0 && <span class="small ink2">{picked.size} picked</span>}
          {(["ack", "replay", "purge"] as const).map((it) => (
            <button key={it} class={`button small ${it === "purge" ? "danger" : ""}`} disabled={items.length === 0} onClick={() => act(it)}>
              <Icon name={it === "ack" ? "check" : it === "replay" ? "replay" : "trash"} />{WORDS[it].label}{all ? " all" : ""}
            </button>
          ))}
        </>
      }
    >
      <div class="log-tools">
        <Pick label="Sink" value={filter.sink} options={sinks} onPick={(sink) => setFilter({ ...filter, sink })} />
        <Pick label="Class" value={filter.class} options={classes} onPick={(it) => setFilter({ ...filter, class: it })} />
        <Pick label="Status" value={filter.status} options={["open", "acked", "replayed"]} onPick={(status) => setFilter({ ...filter, status })} />
      </div>
      {page.error && <div class="body"><Failure error={page.error} retry={page.reload} /></div>}
      {!page.value && !page.error && <Loading />}
      {page.value && items.length === 0 && <Empty icon="check" title="No dead letters">Every row that was read was taken, or left out by rule.</Empty>}
      {items.length > 0 && (
        <div class="table letter-cols" role="table" aria-label="Dead letters">
          <div class="thead" role="row">
            <span role="columnheader"><input type="checkbox" aria-label="Pick all that are shown" checked={picked.size === items.length} onChange={() => setPicked(picked.size === items.length ? new Set() : new Set(items.map((it) => it.number)))} /></span>
            <span role="columnheader">Letter</span><span role="columnheader" class="c-why">Why</span><span role="columnheader" class="c-rows">Table</span><span role="columnheader" class="c-rows">Sink</span><span role="columnheader" class="right">At</span>
          </div>
          {items.map((it) => <Row key={it.number} it={it} picked={picked.has(it.number)} open={open === it.number} onPick={() => toggle(it.number)} onOpen={() => setOpen(open === it.number ? undefined : it.number)} />)}
        </div>
      )}
      {page.value?.next_cursor && <p class="log-note"><button class="button small" onClick={() => setLimit(Math.min(1000, limit + 200))}>Show more</button></p>}
    </Card>
  );
}

function Pick({ label, value, options, onPick }: { label: string; value: string; options: string[]; onPick: (it: string) => void }) {
  return (
    <label class="row small dim">
      {label}
      <select class="field" value={value} onChange={(event) => onPick(event.currentTarget.value)}>
        <option value="">all</option>
        {options.map((it) => <option key={it} value={it}>{it}</option>)}
      </select>
    </label>
  );
}

interface RowProps {
  it: Letter;
  picked: boolean;
  open: boolean;
  onPick: () => void;
  onOpen: () => void;
}

function Row({ it, picked, open, onPick, onOpen }: RowProps) {
  return (
    <>
      <div class={`trow ${picked ? "on" : ""}`} role="row">
        <span role="cell" class="over"><input type="checkbox" aria-label={`Pick letter ${it.number}`} checked={picked} onChange={onPick} /></span>
        <span role="cell" class="row">
          <button class="main num" data-row aria-expanded={open} onClick={onOpen}>#{it.number}</button>
          <span class="tag state-tag s-failed"><code>{it.class}</code></span>
          {it.status !== "open" && <span class="tag">{it.status === "acked" ? "seen" : "replayed"}</span>}
        </span>
        <span role="cell" class="cut ink2 small c-why" title={it.detail}><Told text={it.detail} /></span>
        <span role="cell" class="cut c-rows">{it.table}</span>
        <span role="cell" class="cut ink2 c-rows">{it.sink}</span>
        <span role="cell" class="right small dim"><Ago time={it.at} /></span>
      </div>
      {open && (
        <div class="letter" role="row">
          <div role="cell" class="stack">
            <p><Told text={it.detail} /></p>
            {it.hint && <div class="failure-hint"><Hint><Told text={it.hint} /></Hint></div>}
            <dl class="facts">
              <dt>Key</dt><dd><code>{it.key ?? "–"}</code></dd>
              <dt>Position</dt><dd><code>{it.position}</code></dd>
              <dt>Table and sink</dt><dd>{it.table} → {it.sink}</dd>
              {it.op && <><dt>Change</dt><dd>{it.op}{it.processor && `, from processor ${it.processor}`}</dd></>}
              <dt>Payload</dt><dd>{bytes(it.payload_bytes)}{it.truncated ?? it.payload.length < it.payload_bytes ? ", cut" : ""}</dd>
            </dl>
            <div class="argv"><pre tabIndex={0} aria-label="Payload">{pretty(it.payload)}</pre><Copy text={it.payload} label="Copy the payload" /></div>
          </div>
        </div>
      )}
    </>
  );
}

function pretty(payload: string): string {
  try {
    return JSON.stringify(JSON.parse(payload), null, 2);
  } catch {
    return payload;
  }
}
