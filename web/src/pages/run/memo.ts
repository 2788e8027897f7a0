// A component that is drawn anew only when one of its plain properties has changed.

import { Component, h } from "preact";
import type { FunctionComponent } from "preact";

export function memo<P extends object>(inner: FunctionComponent<P>): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const [a, b] = [this.props as Record<string, unknown>, next as Record<string, unknown>];
      return Object.keys(b).some((key) => a[key] !== b[key]) || Object.keys(a).length !== Object.keys(b).length;
    }
    override render() {
      return h(inner, this.props as P);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
