// Server-Sent Events over `fetch`: unlike `EventSource` it says why a connection was refused, lets
// us choose the back-off, and resumes with `Last-Event-ID` from where the caller says it stands.

export interface Message {
  id: string | undefined;
  event: string;
  data: string;
}

/** Takes text in pieces of any size and hands out whole messages, after the standard's rules. */
export class SseParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id: string | undefined;
  /** Milliseconds that the server asks to wait before the next connection. */
  retry: number | undefined;

  push(text: string): Message[] {
    const out: Message[] = [];
    // A lone `\r` at the end may be half of `\r\n`: it waits for the next piece.
    const whole = this.rest + text;
    const end = whole.endsWith("\r") ? whole.length - 1 : whole.length;
    const lines = whole.slice(0, end).split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? "") + whole.slice(end);
    for (const line of lines) this.line(line, out);
    return out;
  }

  private line(line: string, out: Message[]): void {
    if (line === "") {
      if (this.data.length > 0) {
        out.push({ id: this.id, event: this.event || "message", data: this.data.join("\n") });
      }
      this.event = "";
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

export type LinkState = "connecting" | "live" | "lost" | "refused" | "ended";

export interface StreamOptions {
  /** The address to ask, made anew for each connection. */
  url: () => string;
  /** Where to resume: the last id that the caller has taken in. */
  lastId: () => string | undefined;
  /** A message; `"stop"` ends the stream for good, `"again"` connects anew at once. */
  onMessage: (message: Message) => "stop" | "again" | void;
  onState: (state: LinkState, why?: string) => void;
  fetch?: typeof fetch;
  /** How long silence may last before the connection is taken for dead. */
  silenceMsMax?: number;
  backoffMs?: (failures: number) => number;
}

/** Half a second at first, doubled up to fifteen, with a random part so that pages do not return
 * all at once after a restart. */
export function defaultBackoff(failures: number): number {
  const base = Math.min(15_000, 500 * 2 ** Math.min(failures - 1, 10));
  return base / 2 + Math.random() * (base / 2);
}

/** Keeps a stream open until told to stop. Returns how to end it. */
export function openStream(options: StreamOptions): () => void {
  const controller = new AbortController();
  void keepOpen(options, controller.signal);
  return () => controller.abort();
}

async function keepOpen(options: StreamOptions, ended: AbortSignal): Promise<void> {
  let failures = 0;
  while (!ended.aborted) {
    options.onState(failures === 0 ? "connecting" : "lost");
    const outcome = await connectOnce(options, ended, () => (failures = 0));
    if (ended.aborted || outcome.kind === "stop") return;
    if (outcome.kind === "refused") return options.onState("refused", outcome.why);
    failures += 1;
    if (outcome.kind === "again") {
      // A server that skips an event every time must not be asked in a tight loop.
      await pause((options.backoffMs ?? defaultBackoff)(1), ended);
      continue;
    }
    options.onState("lost", outcome.why);
    await pause(outcome.retry ?? (options.backoffMs ?? defaultBackoff)(failures), ended);
  }
}

type Outcome =
  | { kind: "stop" }
  | { kind: "again" }
  | { kind: "refused"; why: string }
  | { kind: "lost"; why: string; retry?: number };

async function connectOnce(options: StreamOptions, ended: AbortSignal, opened: () => void): Promise<Outcome> {
  const connection = new AbortController();
  const end = () => connection.abort();
  ended.addEventListener("abort", end, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(end, options.silenceMsMax ?? 45_000);
  };
  try {
    alive();
    const id = options.lastId();
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (id !== undefined) headers["last-event-id"] = id;
    const ask = options.fetch ?? fetch;
    const response = await ask(options.url(), {
      headers, signal: connection.signal, cache: "no-store", credentials: "same-origin",
    });
    if (!response.ok || !response.body) {
      const why = `HTTP ${response.status}`;
      const passing = response.status === 429 || response.status >= 500;
      return passing ? { kind: "lost", why } : { kind: "refused", why };
    }
    opened();
    options.onState("live");
    return await readAll(response.body, options, alive);
  } catch (error) {
    return { kind: "lost", why: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
    ended.removeEventListener("abort", end);
    connection.abort();
  }
}

async function readAll(body: ReadableStream<Uint8Array>, options: StreamOptions, alive: () => void): Promise<Outcome> {
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { kind: "lost", why: "the server closed the stream", ...retryOf(parser) };
    alive();
    for (const message of parser.push(decoder.decode(value, { stream: true }))) {
      const next = options.onMessage(message);
      if (next) return { kind: next };
    }
  }
}

function retryOf(parser: SseParser): { retry?: number } {
  return parser.retry === undefined ? {} : { retry: parser.retry };
}

function pause(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      ended.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    ended.addEventListener("abort", done, { once: true });
  });
}
