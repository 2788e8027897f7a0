// The stream as it flows: source, processors, sinks, with the figures of each where it stands. On a
// narrow screen it runs from top to bottom.

import type { ComponentChildren } from "preact";
import type { SinkView, StreamView } from "../../api/types";
import { limitingPart } from "./limits";
import { bytes, compact, duration } from "../../ui/format";
import { Icon } from "../../ui/icons";
import { StateIcon } from "../../ui/state";

const CARD_PX = 122;
const GAP_PX = 12;

export function Flow({ s, moving }: { s: StreamView; moving: boolean }) {
  const limit = limitingPart(s);
  const tone = (id: string) => (id !== limit ? "" : s.stalled ? "stuck" : "limit");
  const trouble = (it: SinkView) => it.state === "trouble";
  return (
    <div class="flow" role="group" aria-label="Flow from source to sinks">
      <Stage kind="Source" id={s.source.id || "not known here"} type={s.source.type} tone={tone(s.source.id)}>
        <Fact name="reads" value={`${compact(s.rate_rows_per_second)} rows/s`} />
        <Fact name="behind by" value={duration(s.lag_seconds)} />
        <Fact name="at" value={s.handed ?? s.committed ?? "–"} mono />
      </Stage>
      {s.processors.map((it) => (
        <>
          <Wires key={`wire ${it.id}`} to={1} flowing={() => moving} bad={() => false} />
          <Stage key={it.id} kind="Processor" id={it.id} type={it.type} tone={tone(it.id)} />
        </>
      ))}
      <Wires to={s.sinks.length} flowing={(at) => moving && !trouble(s.sinks[at]!)} bad={(at) => trouble(s.sinks[at]!)} />
      <div class="sinks">
        {s.sinks.map((it) => <Sink key={it.id} it={it} tone={tone(it.id)} />)}
      </div>
    </div>
  );
}

interface StageProps {
  kind: string;
  id: string;
  type: string;
  tone: string;
  state?: string;
  children?: ComponentChildren;
}

function Stage({ kind, id, type, tone, state, children }: StageProps) {
  return (
    <div class={`stage-card ${tone}`}>
      <div class="row small dim"><span class="grow">{kind}{type && ` · ${type}`}</span>{state && state !== "ok" && <span class={`state s-${state}`}><StateIcon state={state} />{state}</span>}</div>
      <b class="cut" title={id}>{id}</b>
      {tone && <span class={`tag state-tag ${tone === "stuck" ? "s-failed" : "s-waiting"}`}><Icon name={tone === "stuck" ? "warning" : "bolt"} />{tone === "stuck" ? "stalled here" : "bottleneck"}</span>}
      <dl>{children}</dl>
    </div>
  );
}

function Fact({ name, value, mono }: { name: string; value: string; mono?: boolean }) {
  return <div><dt>{name}</dt><dd class={`num cut ${mono ? "mono" : ""}`} title={value}>{value}</dd></div>;
}

function Sink({ it, tone }: { it: SinkView; tone: string }) {
  const room = it.queue_batches_max ?? 0;
  const full = room > 0 ? Math.min(1, it.in_flight_batches / room) : 0;
  return (
    <Stage kind={it.required === false ? "Optional sink" : "Sink"} id={it.id} type={it.type ?? ""} tone={tone} state={it.state}>
      <div>
        <dt>queue</dt>
        <dd class="row" style={{ gap: "7px" }}>
          <span class="meter grow" role="img" aria-label={`${it.in_flight_batches} of ${it.queue_batches_max ?? "any number of"} batches`}><i class={full >= 1 ? "s-failed" : full > 0.5 ? "s-waiting" : "s-running"} style={{ width: `${full * 100}%` }} /></span>
          <span class="num">{it.in_flight_batches}{room > 0 && `/${room}`}</span>
        </dd>
      </div>
      {it.trouble ? <Fact name="trouble" value={it.trouble} /> : <Fact name="behind by" value={it.position_lag_bytes === null ? "–" : bytes(it.position_lag_bytes)} />}
      <Fact name="gives" value={(it.guarantee ?? "–").replaceAll("_", " ")} />
    </Stage>
  );
}

interface WireProps {
  to: number;
  flowing: (at: number) => boolean;
  bad: (at: number) => boolean;
}

/** Lines from the middle of the stage before to each one after. Beside cards of one height. */
function Wires({ to, flowing, bad }: WireProps) {
  const height = Math.max(CARD_PX, to * CARD_PX + (to - 1) * GAP_PX);
  return (
    <svg class="wires" viewBox={`0 0 56 ${height}`} width="56" height={height} aria-hidden="true">
      {Array.from({ length: to }, (_, at) => {
        const y = at * (CARD_PX + GAP_PX) + CARD_PX / 2;
        const d = `M0,${height / 2} C28,${height / 2} 28,${y} 56,${y}`;
        const how = bad(at) ? "bad" : flowing(at) ? "flowing" : "";
        return <g key={at}><path d={d} />{how && <path class={how} d={d} />}</g>;
      })}
    </svg>
  );
}
