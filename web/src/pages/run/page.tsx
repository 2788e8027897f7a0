// A run on a server: its snapshot, then its events as they happen.

import { useEffect, useMemo } from "preact/hooks";
import { ApiError, get, path } from "../../api/client";
import { Head } from "../../app/shell";
import { LiveRun } from "../../live/run";
import type { Event } from "../../model/types";
import { Empty, Failure, Loading } from "../../ui/parts";
import type { RunModel } from "./model";
import { RunView } from "./view";

const LOG_LINES_MAX = 1000;

export function RunPage({ id }: { id: string }) {
  const live = useMemo(() => new LiveRun(id), [id]);
  useEffect(() => {
    void live.start();
    return () => live.stop();
  }, [live]);

  const version = live.version.value;
  const error = live.error.value;
  const head = <Head title="Run" name="Run" crumbs={[["Runs", "/runs"]]} />;
  if (!live.snapshot) {
    if (error instanceof ApiError && error.status === 404) {
      return <>{head}<Empty icon="runs" title="There is no such run">It may have been removed by the store's retention. <a class="link" href="/runs">See all runs</a></Empty></>;
    }
    return <>{head}{error ? <Failure error={error} /> : <Loading rows={9} label="Loading the run" />}</>;
  }
  const model: RunModel = {
    id, snapshot: live.snapshot, version, link: live.link.value, lastHeardAt: live.lastHeardAt, saved: false, abandoned: live.abandoned.value,
    logs: async (query, signal) => {
      const asked = { node: query.node, attempt: query.attempt, q: query.q, level: query.level, tail: true, limit: LOG_LINES_MAX };
      return (await get<{ items: Event[] }>(path("runs", id, "logs"), asked, signal)).items;
    },
    listen: (hear) => live.listen(hear),
  };
  return (
    <>
      {error && <Failure error={error} />}
      <RunView run={model} />
    </>
  );
}
