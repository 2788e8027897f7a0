// A run from the file that holds this page: no server, no request.

import { readsSchema, SNAPSHOT_SCHEMA } from "../../model/fold";
import { isFinal } from "../../model/states";
import type { Event, Snapshot } from "../../model/types";
import { Empty, Failure } from "../../ui/parts";
import { fits } from "./model";
import type { RunModel } from "./model";
import { RunView } from "./view";

type Saved = Snapshot & { logs?: Event[]; events?: Event[] };

let cached: { json: string; saved: Saved } | undefined;

function parse(json: string): Saved {
  if (cached?.json !== json) cached = { json, saved: JSON.parse(json) as Saved };
  return cached.saved;
}

export function SavedRunPage({ json }: { json: string }) {
  let saved: Saved;
  try {
    saved = parse(json);
  } catch (error) {
    return <Failure error={new Error(`The run that this file should hold cannot be read: ${(error as Error).message}`)} />;
  }
  if (!saved) return <Empty icon="runs" title="This file holds no run">It is the template that `flowglass runs export --html` fills.</Empty>;
  if (!readsSchema(saved.schema, SNAPSHOT_SCHEMA)) {
    return <Failure error={new Error(`This page reads \`${SNAPSHOT_SCHEMA}\`, the file holds \`${saved.schema}\`. Export the run again with the version that wrote it.`)} />;
  }
  const logs = saved.logs ?? (saved.events ?? []).filter((it) => it.kind === "log");
  const model: RunModel = {
    id: saved.run.run_id ?? "", snapshot: saved, version: 0, saved: true, abandoned: false, lastHeardAt: 0,
    link: isFinal(saved.run.state) ? "ended" : "lost",
    logs: async (query) => logs.filter((it) => fits(it, query)),
    listen: () => () => undefined,
  };
  return <RunView run={model} />;
}
