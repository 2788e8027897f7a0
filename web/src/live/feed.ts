// The whole fleet, live: run summaries and pipelines as they change. Pages subscribe and patch what
// they show; after a `reset` they fetch again.

import { signal } from "@preact/signals";
import type { Pipeline, RunSummary } from "../api/types";
import { openStream } from "./sse";
import type { LinkState } from "./sse";

type Hear = (change: { runs: RunSummary[]; pipelines: Pipeline[]; reset: boolean }) => void;

const COALESCE_MS = 250;

class Feed {
  readonly link = signal<LinkState>("connecting");
  readonly failures = signal(0);
  private hearers = new Set<Hear>();
  private close: (() => void) | undefined;
  private lastId: string | undefined;
  private runs = new Map<string, RunSummary>();
  private pipelines = new Map<string, Pipeline>();
  private reset = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lostBefore = false;

  start(): void {
    if (this.close) return;
    this.close = openStream({
      url: () => "/api/v1/feed",
      lastId: () => this.lastId,
      onState: (state) => {
        this.link.value = state;
        if (state === "lost") {
          this.lostBefore = true;
          this.failures.value += 1;
        } else if (state === "live") {
          this.failures.value = 0;
          // A server that restarted may have nothing to resume from: what is shown is fetched anew.
          if (this.lostBefore) this.note(() => (this.reset = true));
          this.lostBefore = false;
        }
      },
      onMessage: ({ id, event, data }) => {
        if (id !== undefined) this.lastId = id;
        if (event === "run") this.note(() => this.keepRun(JSON.parse(data) as RunSummary));
        else if (event === "pipeline") this.note(() => this.keepPipeline(JSON.parse(data) as Pipeline));
        else if (event === "reset") {
          this.lastId = undefined;
          this.note(() => (this.reset = true));
        }
      },
    });
  }

  /** Ends the stream; the next `start` opens a new one. */
  stop(): void {
    this.close?.();
    this.close = undefined;
  }

  listen(hear: Hear): () => void {
    this.hearers.add(hear);
    return () => this.hearers.delete(hear);
  }

  private keepRun(run: RunSummary): void {
    this.runs.set(run.run_id, run);
  }

  private keepPipeline(pipeline: Pipeline): void {
    this.pipelines.set(pipeline.name, pipeline);
  }

  private note(change: () => void): void {
    change();
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const told = { runs: [...this.runs.values()], pipelines: [...this.pipelines.values()], reset: this.reset };
      this.runs.clear();
      this.pipelines.clear();
      this.reset = false;
      for (const hear of this.hearers) hear(told);
    }, COALESCE_MS);
  }
}

export const feed = new Feed();
