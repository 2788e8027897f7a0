// The six states, their closed reasons, and which move is legal: the same table as the model's
// `transition` in Rust, so that the page refuses exactly what the store refuses.

export const STATES = ["queued", "waiting", "running", "complete", "failed", "skipped"] as const;
export type State = (typeof STATES)[number];

/** The state that each reason explains. */
export const REASON_STATE = {
  scheduled: "queued",
  slot: "queued",
  starting: "queued",
  dependency: "waiting",
  retry_backoff: "waiting",
  concurrency: "waiting",
  paused: "waiting",
  external: "waiting",
  executing: "running",
  finalizing: "running",
  cancelling: "running",
  ok: "complete",
  warning: "complete",
  partial: "complete",
  error: "failed",
  timeout: "failed",
  cancelled: "failed",
  check: "failed",
  lost: "failed",
  infra: "failed",
  condition: "skipped",
  guard: "skipped",
  cached: "skipped",
  disabled: "skipped",
  upstream: "skipped",
} as const satisfies Record<string, State>;
export type Reason = keyof typeof REASON_STATE;

const ENTERS: readonly State[] = ["queued", "waiting", "running", "skipped"];
const AFTER: Record<State, readonly State[]> = {
  queued: ["queued", "waiting", "running", "failed", "skipped"],
  waiting: ["queued", "waiting", "running", "failed", "skipped"],
  running: ["waiting", "running", "complete", "failed"],
  complete: [],
  failed: [],
  skipped: [],
};

export function isFinal(state: State | null | undefined): boolean {
  return state === "complete" || state === "failed" || state === "skipped";
}

/** Why the move is refused, or nothing when it is legal. */
export function illegalMove(from: State | undefined, to: State, reason: Reason): string | undefined {
  if (REASON_STATE[reason] !== to) return `reason \`${reason}\` does not explain the state ${to}`;
  const legal = from === undefined ? ENTERS : AFTER[from];
  return legal?.includes(to) ? undefined : `illegal move from ${from ?? "nothing"} to ${to}`;
}
