// All pipelines, kept current by the feed.

import { useEffect } from "preact/hooks";
import { get } from "../api/client";
import type { Page, Pipeline } from "../api/types";
import { feed } from "../live/feed";
import { useResource } from "./resource";

export function useFleet() {
  const all = useResource("fleet", async (signal) => (await get<Page<Pipeline>>("/api/v1/pipelines", { limit: 1000 }, signal)).items, { everyMs: 30_000 });
  useEffect(
    () =>
      feed.listen(({ pipelines }) => {
        if (pipelines.length === 0) return;
        const told = new Map(pipelines.map((it) => [it.name, it]));
        all.patch((before) => {
          const known = new Set(before.map((it) => it.name));
          return [...before.map((it) => told.get(it.name) ?? it), ...pipelines.filter((it) => !known.has(it.name))];
        });
      }),
    [],
  );
  return all;
}
