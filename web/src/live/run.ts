// One run, live: a snapshot first, then its events over a stream that resumes without a gap. The
// page is told at most ten times a second that something changed, however fast events come.

import { signal } from "@preact/signals";
import { ApiError, get, path, withQuery } from "../api/client";
import { apply, FoldError, readsSchema, SNAPSHOT_SCHEMA } from "../model/fold";
import { isFinal } from "../model/states";
import type { Event, Snapshot } from "../model/types";
import { openStream } from "./sse";
import type { LinkState, StreamOptions } from "./sse";

const COALESCE_MS = 100;
const ABANDONED_LOOK_MS = 15_000;

export interface RunSource {
  snapshot: (id: string) => Promise<Snapshot>;
  open: (options: StreamOptions) => () => void;
}

const fromServer: RunSource = {
  snapshot: (id) => get<Snapshot>(path("runs", id)),
  open: openStream,
};

/** What a page of one run shows. `version` moves when `snapshot` has changed inside. */
export class LiveRun {
  snapshot: Snapshot | undefined;
  readonly version = signal(0);
  readonly link = signal<LinkState>("connecting");
  /** The run's process went away and nobody has written its end. */
  readonly abandoned = signal(false);
  readonly error = signal<Error | undefined>(undefined);
  /** When the last event came, by this machine's clock. */
  lastHeardAt = 0;
  /** Events that came over the stream since the page was opened. */
  received = 0;
  private close: (() => void) | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  private listeners = new Set<(event: Event) => void>();

  constructor(
    readonly id: string,
    private readonly source: RunSource = fromServer,
  ) {}

  async start(): Promise<void> {
    this.stopped = false;
    try {
      await this.load();
    } catch (error) {
      this.error.value = error as Error;
      const gone = error instanceof ApiError && error.status >= 400 && error.status < 500;
      if (!gone && !this.stopped) this.timer = setTimeout(() => void this.start(), 2000);
      return;
    }
    if (this.stopped) return;
    this.error.value = undefined;
    if (isFinal(this.snapshot?.run.state)) this.link.value = "ended";
    else this.follow();
  }

  stop(): void {
    this.stopped = true;
    this.close?.();
    clearTimeout(this.timer);
    clearTimeout(this.again);
  }

  /** Hears every new event, for surfaces that keep more than the snapshot does. */
  listen(hear: (event: Event) => void): () => void {
    this.listeners.add(hear);
    return () => this.listeners.delete(hear);
  }

  private async load(): Promise<void> {
    const snapshot = await this.source.snapshot(this.id);
    if (!readsSchema(snapshot.schema, SNAPSHOT_SCHEMA)) {
      throw new Error(`This page reads \`${SNAPSHOT_SCHEMA}\`, the server sent \`${snapshot.schema}\`. Reload the page.`);
    }
    this.snapshot = snapshot;
    this.version.value += 1;
  }

  private follow(): void {
    this.close = this.source.open({
      url: () => withQuery(path("runs", this.id, "stream"), { after: this.snapshot?.run.last_seq ?? 0 }),
      lastId: () => String(this.snapshot?.run.last_seq ?? 0),
      onState: (state, why) => {
        this.link.value = state;
        if (state === "refused") this.error.value = new Error(`The stream of events was refused: ${why ?? ""}`);
      },
      onMessage: (message) => this.take(message.event, message.data),
    });
  }

  private take(kind: string, data: string): "stop" | "again" | void {
    if (kind === "end") {
      this.link.value = "ended";
      this.abandoned.value = (JSON.parse(data) as { end?: string }).end === "abandoned";
      // Somebody will write its end sooner or later: that is worth a look now and then.
      if (this.abandoned.value) this.again = setTimeout(() => this.follow(), ABANDONED_LOOK_MS);
      return "stop";
    }
    if (kind !== "event") return;
    const event = JSON.parse(data) as Event;
    try {
      if (apply(this.snapshot!, event) === "duplicate") return;
    } catch (error) {
      if (error instanceof FoldError && error.fault === "gap") return "again";
      this.reload(error as Error);
      return "stop";
    }
    this.received += 1;
    this.lastHeardAt = Date.now();
    for (const hear of this.listeners) hear(event);
    this.changed();
  }

  /** An event that does not fit means that what we hold is wrong: fetch it whole again, once. */
  private reload(cause: Error): void {
    const at = this.snapshot?.run.last_seq ?? 0;
    this.timer = setTimeout(() => {
      void this.load().then(
        () => {
          const moved = (this.snapshot?.run.last_seq ?? 0) > at;
          if (moved && !this.stopped) this.follow();
          else this.error.value = cause;
        },
        (error: Error) => (this.error.value = error),
      );
    }, COALESCE_MS);
  }

  private changed(): void {
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.version.value += 1;
    }, COALESCE_MS);
  }
}
