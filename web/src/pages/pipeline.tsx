// One pipeline: a workflow with its graph and runs, or a stream with everything that flows in it.

import { useEffect } from "preact/hooks";
import { ApiError, get, path, post } from "../api/client";
import type { CommandDone, Info, PipelineDetail } from "../api/types";
import { now } from "../app/clock";
import { useResource } from "../app/resource";
import { navigate, place, setQuery, to } from "../app/router";
import { Head } from "../app/shell";
import { feed } from "../live/feed";
import { ask } from "../ui/dialog";
import { ago, duration, percent } from "../ui/format";
import { GraphView } from "../ui/graph/view";
import { Icon } from "../ui/icons";
import type { IconName } from "../ui/icons";
import { Ago, Card, Empty, Failure, Loading, Panel, Stat, Tabs, Told } from "../ui/parts";
import { StateBadge } from "../ui/state";
import { RunList } from "./runs";
import { StreamBody } from "./stream/body";

export function PipelinePage({ name }: { name: string }) {
  const detail = useResource(`pipeline ${name}`, (signal) => get<PipelineDetail>(path("pipelines", name), {}, signal), { everyMs: 20_000 });
  useEffect(() => feed.listen(({ pipelines }) => {
    const told = pipelines.find((it) => it.name === name);
    if (told) detail.patch((before) => ({ ...before, ...told }));
  }), [name]);
  const it = detail.value;
  const crumbs: [string, string][] = [["Pipelines", "/pipelines"]];
  if (!it) {
    const gone = detail.error instanceof ApiError && detail.error.status === 404;
    return (
      <>
        <Head title={name} name={name} crumbs={crumbs} />
        {gone ? <Empty icon="pipelines" title="There is no such pipeline"><a class="link" href="/pipelines">See all pipelines</a></Empty>
          : detail.error ? <Failure error={detail.error} retry={detail.reload} /> : <Loading rows={9} label="Loading the pipeline" />}
      </>
    );
  }
  return (
    <>
      <Head title={it.name} name={it.name} crumbs={crumbs} actions={<Commands it={it} onDone={detail.reload} />}>
        <div class="row small ink2">
          <StateBadge state={it.stream?.stalled ? "trouble" : it.state} pill />
          <span>{it.kind}</span>
          <span>tenant {it.tenant}</span>
          {it.file && <code>{it.file}</code>}
          {Object.entries(it.labels).map(([key, value]) => <span class="tag" key={key}>{key}={value}</span>)}
          {it.late && <span class="tag state-tag s-waiting"><Icon name="clock" />late</span>}
        </div>
      </Head>
      {detail.error && <div class="gap"><Failure error={detail.error} retry={detail.reload} /></div>}
      {it.kind === "stream" ? <StreamBody it={it} /> : <WorkflowBody it={it} />}
    </>
  );
}

interface Command {
  name: string;
  label: string;
  icon: IconName;
  text: string;
  primary?: boolean;
  danger?: boolean;
}

function commandsOf(it: PipelineDetail): Command[] {
  const run: Command = { name: "run", label: "Run now", icon: "play", text: "A new run begins at once, beside its schedule.", primary: true };
  const pause: Command = { name: "pause", label: "Pause", icon: "pause", text: "It reads nothing more until it is resumed, also after a restart. What was read is still delivered." };
  const cancel: Command = { name: "stop", label: "Stop", icon: "stop", text: "The run that is under way is cancelled; what it has committed stays.", danger: true };
  const resume: Command = { name: "resume", label: "Resume", icon: "play", text: "It goes on from where it stands. Nothing is read twice.", primary: true };
  const stop: Command = { name: "stop", label: "Stop", icon: "stop", text: "It delivers what it has read, keeps its position, and ends.", danger: true };
  const start: Command = { name: "start", label: "Start", icon: "play", text: "It goes on from its last position.", primary: true };
  if (it.kind === "workflow") return it.state === "running" ? [cancel] : [run];
  if (it.state === "paused") return [resume, stop];
  return it.state === "running" ? [pause, stop] : [start];
}

function Commands({ it, onDone }: { it: PipelineDetail; onDone: () => void }) {
  const info = useResource("info", (signal) => get<Info>("/api/v1/info", {}, signal));
  const may = info.value?.role === "operate" || info.value?.role === "admin";
  const act = (command: Command) =>
    ask({
      title: `${command.label} ${it.name}?`, text: command.text, action: command.label, ...(command.danger ? { danger: true } : {}),
      act: async () => {
        const done = await post<CommandDone>(path("pipelines", it.name, command.name));
        onDone();
        if (done.run_id && command.name === "run") navigate(to("runs", done.run_id));
        return `${it.name}: ${command.name} is ${done.outcome}${done.said ? `, ${done.said}` : ""}.`;
      },
    });
  // What only its history is known of is run by somebody else.
  if (it.source === "store") return null;
  if (info.value && !may) return <span class="small dim">Your role may look, not act.</span>;
  return (
    <>
      {commandsOf(it).map((command) => (
        <button key={command.name} class={`button ${command.primary ? "primary" : ""} ${command.danger ? "danger" : ""}`} disabled={!may} onClick={() => act(command)}>
          <Icon name={command.icon} />{command.label}
        </button>
      ))}
    </>
  );
}

function WorkflowBody({ it }: { it: PipelineDetail }) {
  const tab = place.value.query.get("tab") ?? "runs";
  const ended = it.recent.filter((run) => run.state === "complete" || run.state === "failed");
  const good = ended.filter((run) => run.state === "complete").length;
  const times = ended.flatMap((run) => run.duration_seconds ?? []).sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  return (
    <>
      {it.fault && <div class="failure gap"><strong>It cannot run</strong><div class="detail"><Told text={it.fault} /></div></div>}
      <dl class="stats gap">
        <Stat label="Last run" value={<StateBadge state={it.last_run?.state} />} sub={<Ago time={it.last_run?.started_at} />} />
        <Stat label={`Succeeded, last ${ended.length}`} value={ended.length ? percent(good / ended.length) : "–"} />
        <Stat label="Usual time" value={duration(at(0.5))} sub={`95 % within ${duration(at(0.95))}`} />
        <Stat label="Next run" value={it.schedule?.next_at ? ago(it.schedule.next_at, now.value) : "by hand"} sub={it.schedule ? <code>{it.schedule.cron}</code> : undefined} />
      </dl>
      <Tabs label="Parts of the pipeline" current={tab} onPick={(id) => setQuery({ tab: id === "runs" ? null : id })} tabs={[{ id: "runs", label: "Runs" }, { id: "graph", label: "Graph", count: it.nodes.length }, { id: "manifest", label: "Manifest" }]} />
      <Panel tab={tab}>
        {tab === "runs" && <RunList filter={{ q: "", state: "", pipeline: it.name, tenant: "" }} />}
        {tab === "graph" && <PlanGraph it={it} />}
        {tab === "manifest" && <Manifest it={it} />}
      </Panel>
    </>
  );
}

function PlanGraph({ it }: { it: PipelineDetail }) {
  const action = new Map(it.nodes.map((node) => [node.id, node.action]));
  if (it.nodes.length === 0) return <Card><Empty icon="pipelines" title="Its nodes are not known">They are told by its first run.</Empty></Card>;
  return (
    <Card title="Graph" flush>
      <GraphView
        label="Graph of the pipeline's nodes" heightMaxPx={520} version={it.etag} farClass={() => "s-idle"} boxes={it.nodes.map((node) => ({ id: node.id, width: 180, height: 44 }))}
        arrows={it.nodes.flatMap((node) => node.needs.map((from) => ({ from, to: node.id })))}
        render={({ id }) => <div class="gnode plain"><Icon name={action.get(id) === "sql" ? "sql" : action.get(id) === "command" ? "command" : action.get(id) === "check" ? "check" : "table"} class="mark" /><b class="cut">{id}</b><small>{action.get(id)}</small></div>}
      />
    </Card>
  );
}

export function Manifest({ it }: { it: PipelineDetail }) {
  return <Card title="Manifest" end={<span class="small dim">secrets are not shown</span>} flush>{it.manifest ? <pre class="source" tabIndex={0}>{it.manifest}</pre> : <Empty icon="pipelines" title="Its manifest is not here">Another process or another tool runs it; this server knows what it told.</Empty>}</Card>;
}
