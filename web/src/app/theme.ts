// Light, dark, or as the system wishes. The choice is kept in the browser and nowhere else.

import { signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";
const KEY = "flowglass-theme";

function stored(): Theme {
  try {
    const it = localStorage.getItem(KEY);
    return it === "light" || it === "dark" ? it : "auto";
  } catch {
    return "auto";
  }
}

export const theme = signal<Theme>(stored());

function show(): void {
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
}
show();
// Drawings on a canvas have read their colours once: they are told when the system changes its mind.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  const was = theme.value;
  theme.value = was === "auto" ? "light" : was;
  theme.value = was;
});

export function setTheme(next: Theme): void {
  theme.value = next;
  show();
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // A browser that keeps nothing still shows the choice until the page is closed.
  }
}

export function nextTheme(): void {
  const order: Theme[] = ["auto", "light", "dark"];
  setTheme(order[(order.indexOf(theme.value) + 1) % order.length]!);
}
