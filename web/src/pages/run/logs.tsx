// What a node, or the whole run, said: searched on the server, followed live, paused by scrolling.

import { useEffect, useRef, useState } from "preact/hooks";
import { useKeys } from "../../app/keyboard";
import { useRested } from "../../app/resource";
import type { Event, LogLine, NodeView } from "../../model/types";
import { Icon } from "../../ui/icons";
import { Marked, Search } from "../../ui/parts";
import { VirtualList } from "../../ui/virtual";
import { fits } from "./model";
import type { LogQuery, RunModel } from "./model";

const LINES_MAX = 5000;
const LEVELS = [["", "All levels"], ["info", "Info and above"], ["warn", "Warnings"], ["error", "Errors"]] as const;

interface Props {
  run: RunModel;
  node?: NodeView;
  heightPx: number;
  primary?: boolean;
}

interface Line {
  seq: number;
  time: string | undefined;
  node: string | undefined;
  line: LogLine;
}

const lineOf = (it: Event): Line => ({ seq: it.seq, time: it.time, node: it.node_id, line: it.log! });

export function LogPanel({ run, node, heightPx, primary = true }: Props) {
  const [q, setQ] = useState("");
  const [level, setLevel] = useState("");
  const [follow, setFollow] = useState(true);
  const query: LogQuery = { node: node?.node_id, q: useRested(q), level };
  const { lines, error } = useLines(run, query, node);
  const box = useRef<HTMLDivElement>(null);
  useKeys([{ key: " ", does: "follow the log, or stop", act: () => setFollow(!follow) }]);
  const download = () => {
    const text = lines.map((it) => `${it.time ?? ""}\t${it.node ?? ""}\t${it.line.level}\t${it.line.text}`).join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = `${node?.node_id ?? run.id}.log`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <div class="log" ref={box}>
      <div class="log-tools">
        <Search value={q} onInput={setQ} label="Search the log" width={node ? "150px" : "220px"} primary={primary} />
        <label>
          <span class="visually-hidden">Level</span>
          <select class="field" value={level} onChange={(event) => setLevel(event.currentTarget.value)}>
            {LEVELS.map(([id, text]) => <option key={id} value={id}>{text}</option>)}
          </select>
        </label>
        <span class="grow" />
        <button class="button small" aria-pressed={follow} onClick={() => setFollow(!follow)}>
          <Icon name={follow ? "pause" : "down"} />{follow ? "Following" : "Follow"}
        </button>
        <button class="button quiet icon-only small" aria-label="Download these lines" title="Download" onClick={download} disabled={lines.length === 0}><Icon name="inbox" /></button>
      </div>
      {error && <p class="small log-note" role="alert">{error.message}</p>}
      {lines.length === 0 ? (
        <p class="log-note dim small">{q || level ? "No line fits." : "Nothing was said."}</p>
      ) : (
        <VirtualList
          total={lines.length} rowPx={20} heightMaxPx={heightPx} label="Log lines" role="log" followEnd={follow} onScrolledAway={() => setFollow(false)}
          row={(at) => <LogRow it={lines[at]!} q={query.q ?? ""} showNode={!node} />}
        />
      )}
      {lines.length >= 1000 && <p class="log-note dim small">The last {lines.length.toLocaleString("en")} lines; search to find earlier ones.</p>}
    </div>
  );
}

function LogRow({ it, q, showNode }: { it: Line; q: string; showNode: boolean }) {
  const { level, stream, text } = it.line;
  return (
    <div class={`logline s-${level}`} title={`${it.time ?? ""} ${stream}`}>
      <span class="at num">{it.time ? it.time.slice(11, 23) : ""}</span>
      {showNode && <span class="node cut">{it.node ?? "run"}</span>}
      <span class="lvl">{level === "info" ? (stream === "stdout" ? "" : stream === "stderr" ? "err" : "info") : level}</span>
      <span class="text"><Marked text={text} q={q} /></span>
    </div>
  );
}

/** The lines from the store, and after them those that come while one looks. */
function useLines(run: RunModel, query: LogQuery, node: NodeView | undefined): { lines: Line[]; error: Error | undefined } {
  const key = JSON.stringify([run.id, query]);
  // What the snapshot holds is shown at once; the store's answer, with times, takes its place.
  const tail = (node?.log.tail ?? []).map((line, at): Line => ({ seq: -1 - at, time: undefined, node: node?.node_id, line }));
  const [state, setState] = useState<{ key: string; lines?: Line[]; error?: Error }>({ key });
  const latest = useRef(query);
  latest.current = query;

  useEffect(() => {
    const control = new AbortController();
    let fresh: Line[] = [];
    let loaded: Line[] | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = () => {
      timer = undefined;
      const known = loaded?.at(-1)?.seq ?? 0;
      const lines = [...(loaded ?? []), ...fresh.filter((it) => it.seq > known)].slice(-LINES_MAX);
      setState({ key, lines });
    };
    const deaf = run.listen((event) => {
      if (!fits(event, latest.current)) return;
      fresh.push(lineOf(event));
      fresh = fresh.slice(-LINES_MAX);
      if (loaded) timer ??= setTimeout(show, 120);
    });
    run.logs(query, control.signal).then(
      (events) => {
        loaded = events.map(lineOf);
        show();
      },
      (error: Error) => !control.signal.aborted && setState({ key, error }),
    );
    return () => {
      control.abort();
      clearTimeout(timer);
      deaf();
    };
  }, [key]);

  const plain = !query.q && !query.level;
  const lines = state.lines ?? (plain ? tail : []);
  return { lines, error: state.key === key ? state.error : undefined };
}
