// Figures as people read them. Everything is in English and UTC is never guessed: clock times are
// shown in the viewer's own zone, with the exact instant in the title.

const grouped = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const NONE = "–";

export function count(value: number | null | undefined): string {
  return value == null ? NONE : grouped.format(value);
}

/** At most four characters and a unit: `12.4K`. */
export function compact(value: number | null | undefined): string {
  if (value == null) return NONE;
  return Math.abs(value) < 1000 ? grouped.format(Math.round(value * 10) / 10) : short.format(value);
}

export function bytes(value: number | null | undefined): string {
  if (value == null) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  let left = value;
  while (Math.abs(left) >= 1024 && at < units.length - 1) {
    left /= 1024;
    at += 1;
  }
  return `${at === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${units[at]}`;
}

/** A span of time: `0.4 ms`, `12 ms`, `3.2 s`, `4m 10s`, `2h 05m`, `3d 4h`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NONE;
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [d, h, m, s] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  const two = (it: number) => String(it).padStart(2, "0");
  if (d > 0) return `${d}d ${h}h`;
  if (h > 0) return `${h}h ${two(m)}m`;
  return `${m}m ${two(s)}s`;
}

/** How long ago, in one unit. */
export function ago(time: string | number | null | undefined, now = Date.now()): string {
  if (time == null) return NONE;
  const seconds = (now - (typeof time === "number" ? time : Date.parse(time))) / 1000;
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds < -1) return `in ${unit(-seconds)}`;
  if (seconds < 5) return "now";
  return `${unit(seconds)} ago`;
}

function unit(seconds: number): string {
  if (seconds < 59.5) return `${Math.round(seconds)}s`;
  if (seconds < 3570) return `${Math.round(seconds / 60)}m`;
  if (seconds < 86_000) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export function clock(time: string | null | undefined, now = Date.now()): string {
  if (!time) return NONE;
  const at = new Date(time);
  const today = dayFormat.format(at) === dayFormat.format(new Date(now));
  return today ? clockFormat.format(at) : `${dayFormat.format(at)}, ${clockFormat.format(at)}`;
}

/** The beginning of an id and its end, which differ between runs made at once. */
export function shortId(id: string | null | undefined): string {
  return id ? `${id.slice(0, 8)}…${id.slice(-4)}` : NONE;
}

/** Seconds of a run so far, or in all. */
export function elapsed(it: { started_at?: string | null; ended_at?: string | null; duration_seconds?: number | null }, now: number): number | undefined {
  if (it.duration_seconds != null) return it.duration_seconds;
  if (!it.started_at) return undefined;
  const end = it.ended_at ? Date.parse(it.ended_at) : now;
  return Math.max(0, (end - Date.parse(it.started_at)) / 1000);
}

export function percent(share: number | null | undefined, digits = 1): string {
  return share == null ? NONE : `${(share * 100).toFixed(digits).replace(/\.0+$/, "")} %`;
}

export function plural(n: number, word: string, many = `${word}s`): string {
  return `${count(n)} ${n === 1 ? word : many}`;
}
