// Where the page is: the address bar is the only place where that is kept, so that every view,
// selection and filter is a link that can be shared.

import { signal } from "@preact/signals";

export interface Place {
  path: string;
  parts: string[];
  query: URLSearchParams;
}

function read(): Place {
  const path = location.pathname;
  return {
    path,
    parts: path.split("/").filter(Boolean).map(decodeURIComponent),
    query: new URLSearchParams(location.search),
  };
}

export const place = signal<Place>(read());

/** Set for the offline page, whose address is a file: selections are then kept in memory alone. */
let offline = false;
export function keepPlaceInMemory(path: string): void {
  offline = true;
  place.value = { path, parts: path.split("/").filter(Boolean), query: new URLSearchParams(location.hash.slice(1)) };
}

export function navigate(href: string, { replace = false } = {}): void {
  if (offline) {
    const [, query = ""] = href.split("?");
    place.value = { ...place.value, query: new URLSearchParams(query) };
    return;
  }
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  const before = place.value.path;
  place.value = read();
  if (place.value.path !== before) {
    scrollTo(0, 0);
    // A reader of the screen begins at the new page, not where the old link was.
    requestAnimationFrame(() => document.getElementById("main")?.focus({ preventScroll: true }));
  }
}

/** Changes some parameters of the address and keeps the rest; `null` takes one away. */
export function setQuery(change: Record<string, string | null | undefined>, { replace = true } = {}): void {
  const query = new URLSearchParams(place.value.query);
  for (const [key, value] of Object.entries(change)) {
    if (value == null || value === "") query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  navigate(text ? `${place.value.path}?${text}` : place.value.path, { replace });
}

export function to(...parts: string[]): string {
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

/** Follows links inside the page without loading it anew. */
export function startRouter(): void {
  addEventListener("popstate", () => (place.value = read()));
  document.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.("a[href]") as HTMLAnchorElement | null;
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target) return;
    if (link.origin !== location.origin || link.pathname.startsWith("/api/") || link.hasAttribute("download")) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}
