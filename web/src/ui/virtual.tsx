// Lists of any length: only what is in view is in the page. Rows have one height, known before.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  total: number;
  rowPx: number;
  /** The height, or the most it may take; a list that is shorter takes less. */
  heightMaxPx: number;
  row: (at: number) => ComponentChildren;
  /** Told which rows are in view, for lists that load their pages when they are looked at. */
  onRange?: (first: number, last: number) => void;
  label?: string;
  role?: "rowgroup" | "log" | "presentation";
  /** Keeps the end in view while rows are added. */
  followEnd?: boolean;
  onScrolledAway?: () => void;
}

const OVERSCAN = 6;

export function VirtualList(props: Props) {
  const { total, rowPx, heightMaxPx, followEnd } = props;
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const height = Math.min(heightMaxPx, Math.max(rowPx, total * rowPx));
  const first = Math.max(0, Math.floor(top / rowPx) - OVERSCAN);
  const last = Math.min(total, Math.ceil((top + height) / rowPx) + OVERSCAN);

  const range = props.onRange;
  useLayoutEffect(() => range?.(first, last), [first, last, range]);
  useLayoutEffect(() => {
    const el = box.current;
    if (el && followEnd) el.scrollTop = el.scrollHeight;
  }, [total, followEnd]);

  const scrolled = () => {
    const el = box.current;
    if (!el) return;
    setTop(el.scrollTop);
    const away = el.scrollHeight - el.scrollTop - el.clientHeight > rowPx * 2;
    if (followEnd && away) props.onScrolledAway?.();
  };
  const rows: ComponentChildren[] = [];
  for (let at = first; at < last; at += 1) {
    rows.push(
      <div class="slot" key={at} style={{ top: `${at * rowPx}px`, height: `${rowPx}px` }} role="presentation">
        {props.row(at)}
      </div>,
    );
  }
  return (
    <div
      class="virtual" ref={box} onScroll={scrolled} style={{ height: `${height}px` }} role={props.role ?? "presentation"}
      {...(props.label ? { "aria-label": props.label, tabIndex: 0 } : {})}
    >
      <div style={{ height: `${total * rowPx}px` }} role="presentation">{rows}</div>
    </div>
  );
}
