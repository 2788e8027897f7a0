// Something that is fetched: loading, then a value or an error, kept while it is fetched again.

import { useEffect, useRef, useState } from "preact/hooks";
import { feed } from "../live/feed";

export interface Resource<T> {
  value: T | undefined;
  error: Error | undefined;
  loading: boolean;
  reload: () => void;
  /** Changes what is shown, until the next fetch. */
  patch: (change: (value: T) => T) => void;
}

interface Options {
  /** Fetch again after so many milliseconds, while somebody looks. */
  everyMs?: number;
  enabled?: boolean;
}

/** Fetches when `key` changes, again when the fleet's feed says that it was reset, and again by
 * itself after a failure. */
export function useResource<T>(key: string, fetch: (signal: AbortSignal) => Promise<T>, options: Options = {}): Resource<T> {
  const { everyMs, enabled = true } = options;
  const [state, setState] = useState<{ key: string; value?: T; error?: Error; loading: boolean }>({ key, loading: true });
  const [turn, setTurn] = useState(0);
  const latest = useRef(fetch);
  latest.current = fetch;

  useEffect(() => {
    if (!enabled) return undefined;
    const control = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (ms: number) => {
      timer = setTimeout(() => (document.hidden ? again(ms) : void load()), ms);
    };
    const load = async () => {
      try {
        const value = await latest.current(control.signal);
        if (control.signal.aborted) return;
        setState({ key, value, loading: false });
        if (everyMs) again(everyMs);
      } catch (error) {
        if (control.signal.aborted) return;
        setState((before) => ({ ...(before.key === key ? before : { key }), error: error as Error, loading: false }));
        again(5000);
      }
    };
    setState((before) => (before.key === key ? { ...before, loading: true } : { key, loading: true }));
    void load();
    const deaf = feed.listen(({ reset }) => reset && setTurn((it) => it + 1));
    return () => {
      control.abort();
      clearTimeout(timer);
      deaf();
    };
  }, [key, turn, enabled, everyMs]);

  const same = state.key === key;
  return {
    value: same ? state.value : undefined,
    error: same ? state.error : undefined,
    loading: same ? state.loading : true,
    reload: () => setTurn((it) => it + 1),
    patch: (change) => setState((it) => (it.value === undefined ? it : { ...it, value: change(it.value) })),
  };
}

/** A value that follows another one after it has rested for a while. */
export function useRested<T>(value: T, ms = 250): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return rested;
}
