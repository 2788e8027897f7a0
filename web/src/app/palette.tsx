// One field that goes anywhere: pages, pipelines, and runs by their id or pipeline.

import { useState } from "preact/hooks";
import { get } from "../api/client";
import type { Page, Pipeline, RunSummary } from "../api/types";
import { Modal } from "../ui/dialog";
import { ago, shortId } from "../ui/format";
import { Icon } from "../ui/icons";
import type { IconName } from "../ui/icons";
import { StateIcon } from "../ui/state";
import { GO, paletteShown } from "./keyboard";
import { useResource, useRested } from "./resource";
import { navigate, to } from "./router";

interface Place {
  href: string;
  name: string;
  note: string;
  icon?: IconName;
  state?: string | null;
}

const SHOWN_MAX = 12;

function usePlaces(q: string): Place[] {
  const rested = useRested(q.trim(), 120);
  const pipelines = useResource("palette pipelines", (signal) => get<Page<Pipeline>>("/api/v1/pipelines", {}, signal));
  const runs = useResource(`palette runs ${rested}`, (signal) => get<Page<RunSummary>>("/api/v1/runs", { q: rested, limit: 6 }, signal));
  const low = q.trim().toLowerCase();
  const pages = GO.map(([, name, href]): Place => ({ href, name, note: "page", icon: "arrow" }));
  const named = (pipelines.value?.items ?? []).map((it): Place => ({ href: to("pipelines", it.name), name: it.name, note: it.kind, icon: "pipelines" }));
  const found = (runs.value?.items ?? []).map((it): Place => ({
    href: to("runs", it.run_id), name: it.pipelines.join(", "), note: `run ${shortId(it.run_id)}, ${ago(it.started_at ?? it.first_seen_at)}`, state: it.state,
  }));
  return [...[...pages, ...named].filter((it) => it.name.toLowerCase().includes(low)), ...found].slice(0, SHOWN_MAX);
}

export function Palette() {
  const [q, setQ] = useState("");
  const [at, setAt] = useState(0);
  const places = usePlaces(q);
  const current = Math.min(at, places.length - 1);
  const close = () => (paletteShown.value = false);
  const go = (it: Place | undefined) => {
    if (!it) return;
    close();
    navigate(it.href);
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setAt((current + step + places.length) % Math.max(1, places.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(places[current]);
    }
  };
  return (
    <Modal onClose={close} label="Go to anything" wide>
      <div class="palette">
        <input
          class="palette-field" type="text" role="combobox" aria-expanded="true" aria-controls="palette-list" aria-label="Go to a page, a pipeline or a run" autofocus
          aria-activedescendant={places.length ? `palette-${current}` : undefined} placeholder="Go to a page, a pipeline or a run" value={q} autoComplete="off" spellcheck={false}
          onInput={(event) => (setQ(event.currentTarget.value), setAt(0))} onKeyDown={key}
        />
        <ul id="palette-list" role="listbox" aria-label="Places">
          {places.map((it, n) => (
            <li key={it.href} id={`palette-${n}`} role="option" aria-selected={n === current} onMouseEnter={() => setAt(n)} onClick={() => go(it)}>
              {it.icon ? <Icon name={it.icon} /> : <StateIcon state={it.state} label />}
              <span class="cut">{it.name}</span>
              <span class="dim small nowrap right grow">{it.note}</span>
            </li>
          ))}
          {places.length === 0 && <li class="dim">Nothing fits.</li>}
        </ul>
      </div>
    </Modal>
  );
}
