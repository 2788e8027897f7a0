// One node, whole: why it stands where it stands, each attempt with its command and its phases, what
// it read and wrote, and what it said.

import { useEffect, useRef } from "preact/hooks";
import { now } from "../../app/clock";
import { place, setQuery, to } from "../../app/router";
import { assetId } from "../../model/asset";
import type { AssetRef, AttemptView, Counts, NodeView, PipelineView } from "../../model/types";
import { bytes, count, duration, elapsed } from "../../ui/format";
import { Icon } from "../../ui/icons";
import { Clock, Copy, ErrorBox } from "../../ui/parts";
import { StateBadge, StateIcon } from "../../ui/state";
import { shellWord } from "../words";
import { LogPanel } from "./logs";
import type { RunModel } from "./model";
import { select } from "./view";

interface Props {
  run: RunModel;
  pipeline: PipelineView;
  node: NodeView;
}

export function NodeDrawer({ run, pipeline, node }: Props) {
  const box = useRef<HTMLElement>(null);
  const before = useRef<Element | null>(null);
  useEffect(() => {
    before.current = document.activeElement;
    return () => (before.current as HTMLElement | null)?.focus?.();
  }, []);
  const wanted = place.value.query.get("attempt");
  const attempt = node.attempts.find((it) => it.attempt_id === wanted) ?? node.attempts.at(-1);
  const needs = pipeline.edges.filter((it) => it.to === node.node_id).map((it) => it.from);
  const waits = needs.filter((id) => !["complete", "skipped"].includes(pipeline.nodes.find((it) => it.node_id === id)?.state ?? ""));
  return (
    <aside class="drawer" ref={box} aria-label={`Node ${node.node_id}`} onKeyDown={(event) => event.key === "Escape" && !event.defaultPrevented && (event.stopPropagation(), select(null))}>
      <header>
        <div class="row">
          <h2 class="grow cut" style={{ fontSize: "15px" }}>{node.node_id}</h2>
          <Copy text={node.node_id} label="Copy the node's id" />
          <button class="button quiet icon-only" aria-label="Close the node" onClick={() => select(null)}><Icon name="close" /></button>
        </div>
        <div class="row wrap small ink2">
          <StateBadge state={node.state} reason={node.reason} pill />
          {node.action && <span>{node.action.kind} · {node.action.name}</span>}
          <span class="num">{duration(elapsed(node, now.value))}</span>
          {pipeline.pipeline_id && run.snapshot.pipelines.length > 1 && <span class="tag">{pipeline.pipeline_id}</span>}
        </div>
      </header>
      <div class="scroll" tabIndex={0} role="group" aria-label="Details of the node">
        {node.state === "waiting" && waits.length > 0 && <p class="ink2">Waits for {waits.map((it) => <code key={it}>{it} </code>)}</p>}
        {node.last_error && node.state !== "complete" && <ErrorBox error={node.last_error} />}
        {node.attempts.length > 0 && <Attempts node={node} current={attempt} />}
        {attempt && <Attempt attempt={attempt} recovered={node.state === "complete"} />}
        <CountsTable counts={attempt?.counts ?? node.counts} />
        <Refs title="Reads" refs={node.inputs} saved={run.saved} />
        <Refs title="Writes" refs={node.outputs} saved={run.saved} />
        <section>
          <h3>Log</h3>
          <div class="card" style={{ overflow: "hidden" }}><LogPanel run={run} node={node} heightPx={300} primary={false} /></div>
        </section>
      </div>
    </aside>
  );
}

function Attempts({ node, current }: { node: NodeView; current: AttemptView | undefined }) {
  if (node.attempts.length < 2) return null;
  return (
    <section>
      <h3>Attempts</h3>
      <div class="row wrap" role="group" aria-label="Attempts">
        {node.attempts.map((it) => (
          <button
            key={it.attempt_id} class={`button small attempt ${it === current ? "on" : ""}`} aria-pressed={it === current}
            onClick={() => setQuery({ attempt: it.attempt_id })}
          >
            <StateIcon state={it.state} label />#{it.attempt_id.split("#").at(-1)} <span class="dim num">{duration(elapsed(it, now.value))}</span>
          </button>
        ))}
      </div>
    </section>
  );
}

function Attempt({ attempt, recovered }: { attempt: AttemptView; recovered: boolean }) {
  const argv = attempt.action?.argv;
  const code = attempt.exit_code;
  return (
    <section>
      <h3>Attempt {attempt.attempt_id.split("#").at(-1)}</h3>
      {attempt.error && (recovered || attempt.state === "failed") && recovered && <ErrorBox error={attempt.error} />}
      <dl class="facts">
        <dt>Started</dt><dd><Clock time={attempt.started_at} /></dd>
        {attempt.ended_at && <><dt>Ended</dt><dd><Clock time={attempt.ended_at} /></dd></>}
        {code !== undefined && <><dt>Exit code</dt><dd><span class={`tag state-tag ${code === 0 ? "s-complete" : "s-failed"}`}><code>{code}</code></span></dd></>}
        {attempt.signal && <><dt>Signal</dt><dd><span class="tag state-tag s-failed"><code>{attempt.signal}</code></span></dd></>}
        {Object.entries(attempt.attributes ?? {}).map(([key, value]) => <><dt key={key}>{key.replaceAll("_", " ")}</dt><dd class="num">{key.endsWith("_bytes") ? bytes(Number(value)) : key.endsWith("_seconds") ? duration(Number(value)) : value}</dd></>)}
      </dl>
      {argv && argv.length > 0 && (
        <div class="argv">
          <pre tabIndex={0} aria-label="Command line">{argv.map(shellWord).join(" ")}</pre>
          <Copy text={argv.map(shellWord).join(" ")} label="Copy the command line" />
        </div>
      )}
      {attempt.stages && attempt.stages.length > 0 && <Stages attempt={attempt} />}
    </section>
  );
}

function Stages({ attempt }: { attempt: AttemptView }) {
  const stages = attempt.stages ?? [];
  const longest = Math.max(...stages.map((it) => elapsed(it, now.value) ?? 0), 1e-6);
  return (
    <ul class="stages" aria-label="Stages">
      {stages.map((it) => {
        const seconds = elapsed(it, now.value);
        return (
          <li key={it.stage_id}>
            <StateIcon state={it.state} label />
            <span>{it.stage_id}</span>
            <span class="meter" aria-hidden="true"><i class={`s-${it.state}`} style={{ width: `${Math.max(1, ((seconds ?? 0) / longest) * 100)}%` }} /></span>
            <span class="num right dim">{duration(seconds)}</span>
          </li>
        );
      })}
    </ul>
  );
}

const NAMES: readonly (readonly [keyof Counts, string])[] = [
  ["extracted", "read"], ["inserted", "inserted"], ["updated", "updated"], ["unchanged", "unchanged"], ["deleted", "deleted"],
  ["filtered", "filtered"], ["dead_lettered", "dead letters"], ["final_rows", "in the target"], ["expected", "expected"], ["bytes", "bytes"],
];

function CountsTable({ counts }: { counts: Counts | undefined }) {
  const told = NAMES.filter(([key]) => counts?.[key] !== undefined);
  if (told.length === 0) return null;
  return (
    <section>
      <h3>Rows</h3>
      <dl class="counts">
        {told.map(([key, name]) => <div key={key}><dt>{name}</dt><dd class="num">{key === "bytes" ? bytes(counts?.[key]) : count(counts?.[key])}</dd></div>)}
      </dl>
    </section>
  );
}

function Refs({ title, refs, saved }: { title: string; refs: AssetRef[] | undefined; saved: boolean }) {
  if (!refs?.length) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul class="refs">
        {refs.slice(0, 50).map((it) => (
          <li key={assetId(it)} class="row">
            <Icon name="table" />
            {saved ? <span class="cut">{it.name}</span> : <a class="link cut" href={`${to("assets")}?focus=${encodeURIComponent(`${it.namespace}|${it.name}`)}`}>{it.name}</a>}
            <span class="dim small cut">{it.namespace}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
