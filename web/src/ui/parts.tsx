// The small parts that every page is made of, with the four states of waiting for data designed
// once: empty, loading, failed, and disconnected (which the shell shows).

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import type { ErrorInfo } from "../model/types";
import { now as clockSignal } from "../app/clock";
import { ago, clock } from "./format";
import { Icon } from "./icons";
import type { IconName } from "./icons";

type Children = { children?: ComponentChildren };

export function Card(props: Children & { title?: ComponentChildren; count?: ComponentChildren; end?: ComponentChildren; class?: string; flush?: boolean; label?: string }) {
  return (
    <section class={`card ${props.class ?? ""}`} aria-label={props.label ?? (typeof props.title === "string" ? props.title : undefined)}>
      {props.title && (
        <header>
          <h2>{props.title}</h2>
          {props.count != null && <span class="count">{props.count}</span>}
          {props.end && <div class="end">{props.end}</div>}
        </header>
      )}
      {props.flush ? props.children : <div class="body">{props.children}</div>}
    </section>
  );
}

export function Stat({ label, value, unit, sub, state }: { label: string; value: ComponentChildren; unit?: string; sub?: ComponentChildren; state?: string }) {
  return (
    <div class="stat">
      <dt>{label}</dt>
      <dd class={state ? `state-ink s-${state}` : ""} style={state ? { color: "var(--c)" } : undefined}>
        {value}
        {unit && <small> {unit}</small>}
      </dd>
      {sub != null && <dd class="sub">{sub}</dd>}
    </div>
  );
}

export function Empty({ icon = "inbox", title, children }: Children & { icon?: IconName; title: string }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Loading({ rows = 6, label = "Loading" }: { rows?: number; label?: string }) {
  // What comes within a blink needs no sign that it is coming.
  const [shown, show] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => show(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class="skeleton" role="status" aria-label={label} style={{ visibility: shown ? "visible" : "hidden" }}>
      {Array.from({ length: rows }, (_, at) => <i key={at} />)}
    </div>
  );
}

export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const problem = error instanceof ApiError ? error.problem : undefined;
  return (
    <div class="failure" role="alert">
      <div class="row">
        <strong class="grow">{problem?.title ?? "This cannot be shown"}</strong>
        {retry && <button class="button small" onClick={retry}>Try again</button>}
      </div>
      <div class="detail"><Told text={problem ? problem.detail ?? "" : error.message} /></div>
      {problem?.hint && <Hint><Told text={problem.hint} /></Hint>}
      {problem?.request_id && <div class="small dim">request <code>{problem.request_id}</code></div>}
    </div>
  );
}

export function Hint({ children }: Children) {
  return (
    <div class="hint">
      <Icon name="bulb" />
      <span>{children}</span>
    </div>
  );
}

/** What a run, a node or an attempt failed of. */
export function ErrorBox({ error, title }: { error: ErrorInfo; title?: string }) {
  return (
    <div class="failure">
      <div class="row wrap">
        {title && <strong>{title}</strong>}
        <span class="tag state-tag s-failed"><code>{error.class}</code></span>
        {error.retryable && <span class="tag">another attempt can help</span>}
      </div>
      <div class="detail"><Told text={error.detail} /></div>
      {error.hint && <Hint><Told text={error.hint} /></Hint>}
    </div>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = () => {
    void navigator.clipboard?.writeText(text).then(() => {
      setDone(true);
      setTimeout(() => setDone(false), 1200);
    });
  };
  return (
    <button class="button quiet icon-only small" style={{ width: "24px", height: "22px" }} onClick={copy} aria-label={done ? "Copied" : label} title={label}>
      <Icon name={done ? "check" : "copy"} />
    </button>
  );
}

/** A time as how long ago, with the exact instant in its title; it moves by itself. */
export function Ago({ time }: { time: string | null | undefined }) {
  const now = clockSignal.value;
  if (!time) return <span class="dim">–</span>;
  return <time class="num nowrap" dateTime={time} title={time}>{ago(time, now)}</time>;
}

export function Clock({ time }: { time: string | null | undefined }) {
  return time ? <time class="num nowrap" dateTime={time} title={time}>{clock(time)}</time> : <span class="dim">–</span>;
}

export interface Tab {
  id: string;
  label: string;
  count?: number | undefined;
}

/** Tabs after the pattern of the WAI: arrows move, the panel is labelled by its tab. */
export function Tabs({ tabs, current, onPick, label }: { tabs: Tab[]; current: string; onPick: (id: string) => void; label: string }) {
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = tabs.findIndex((it) => it.id === current);
    const next = tabs[(at + step + tabs.length) % tabs.length]!;
    onPick(next.id);
    list.current?.querySelector<HTMLElement>(`#tab-${next.id}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
      {tabs.map((it) => (
        <button
          key={it.id} id={`tab-${it.id}`} role="tab" aria-selected={it.id === current} aria-controls="panel"
          tabIndex={it.id === current ? 0 : -1} onClick={() => onPick(it.id)}
        >
          {it.label}
          {it.count != null && <span class="count small">{it.count.toLocaleString("en")}</span>}
        </button>
      ))}
    </div>
  );
}

export function Panel({ tab, children }: Children & { tab: string }) {
  return (
    <div id="panel" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={-1}>
      {children}
    </div>
  );
}

/** A few choices of which one holds. */
export function Choice<T extends string>({ options, value, onPick, label }: { options: readonly (readonly [T, string])[]; value: T; onPick: (it: T) => void; label: string }) {
  return (
    <div class="seg" role="group" aria-label={label}>
      {options.map(([id, text]) => (
        <button key={id} aria-pressed={id === value} onClick={() => onPick(id)}>{text}</button>
      ))}
    </div>
  );
}

interface SearchProps {
  value: string;
  onInput: (text: string) => void;
  label: string;
  width?: string;
  primary?: boolean;
}

/** A search field; the page's main one is reached by `/`. */
export function Search({ value, onInput, label, width = "240px", primary = true }: SearchProps) {
  return (
    <label class="search" style={{ width, maxWidth: "100%" }}>
      <span class="visually-hidden">{label}</span>
      <Icon name="search" />
      <input
        class="field" type="search" placeholder={label} value={value} autoComplete="off" spellcheck={false}
        {...(primary ? { "data-search": "" } : {})}
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          if (value) onInput("");
          else event.currentTarget.blur();
        }}
      />
      {primary && <kbd aria-hidden="true">/</kbd>}
    </label>
  );
}

/** A sentence of the program: what it sets in backticks is set as code. */
export function Told({ text }: { text: string }) {
  return <>{text.split(/`([^`]+)`/).map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part))}</>;
}

/** A text with every occurrence of `q` marked. */
export function Marked({ text, q }: { text: string; q: string }) {
  if (!q) return <>{text}</>;
  const parts: ComponentChildren[] = [];
  const low = text.toLowerCase();
  const needle = q.toLowerCase();
  let at = 0;
  for (let hit = low.indexOf(needle); hit >= 0 && parts.length < 200; hit = low.indexOf(needle, at)) {
    parts.push(text.slice(at, hit), <mark key={hit}>{text.slice(hit, hit + needle.length)}</mark>);
    at = hit + needle.length;
  }
  return <>{parts}{text.slice(at)}</>;
}
