// Keys that work everywhere: `/` goes to the search, `j k` through rows, `g` and a letter to a
// page, `?` shows them all. Pages add their own while they are shown.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { navigate } from "./router";

export const helpShown = signal(false);
export const paletteShown = signal(false);

export interface Key {
  key: string;
  does: string;
  act: () => void;
}

const pageKeys = new Set<Key[]>();

/** Keys of the page that is shown. */
export function useKeys(keys: Key[]): void {
  useEffect(() => {
    pageKeys.add(keys);
    return () => void pageKeys.delete(keys);
  });
}

export function keysOfPage(): Key[] {
  return [...pageKeys].flat();
}

export const GO: readonly (readonly [string, string, string])[] = [
  ["o", "Overview", "/"],
  ["r", "Runs", "/runs"],
  ["p", "Pipelines", "/pipelines"],
  ["a", "Assets", "/assets"],
  ["l", "Alerts", "/alerts"],
];

function typing(target: EventTarget | null): boolean {
  const el = target as HTMLElement | null;
  return !!el?.closest?.("input, textarea, select, [contenteditable]");
}

/** Moves the focus by so many rows; from nowhere to the first one. */
function moveRow(step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")].filter((it) => it.offsetParent !== null);
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
  rows[next]!.focus();
  rows[next]!.scrollIntoView({ block: "nearest" });
}

export function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>("[data-search]");
  field?.focus();
  field?.select();
  return !!field;
}

export function startKeyboard(options: { offline?: boolean } = {}): void {
  let waitsForPage = 0;
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "k" && !options.offline) {
      event.preventDefault();
      paletteShown.value = true;
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    const { key } = event;
    const done = () => event.preventDefault();
    if (!options.offline && Date.now() < waitsForPage) {
      waitsForPage = 0;
      const page = GO.find(([letter]) => letter === key);
      if (page) return done(), navigate(page[2]);
    }
    if (key === "g" && !options.offline) return void (waitsForPage = Date.now() + 1200);
    if (key === "/") return void (focusSearch() && done());
    if (key === "?") return done(), void (helpShown.value = true);
    if (key === "j") return done(), moveRow(1);
    if (key === "k") return done(), moveRow(-1);
    const own = keysOfPage().findLast((it) => it.key === key);
    if (own) {
      done();
      own.act();
    }
  });
}
