// A page that cannot be drawn says so, and leaves the way to the others open.

import { Component } from "preact";
import type { ComponentChildren } from "preact";
import { Failure } from "../ui/parts";
import { Head } from "./shell";

interface Props {
  children: ComponentChildren;
}

export class Boundary extends Component<Props, { error?: Error }> {
  override state: { error?: Error } = {};

  override componentDidCatch(error: Error): void {
    this.setState({ error });
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <>
        <Head title="This page cannot be drawn" name="Error" />
        <Failure error={new Error(`${error.message}. The server may be of another version than this page: reload it.`)} retry={() => location.reload()} />
      </>
    );
  }
}
