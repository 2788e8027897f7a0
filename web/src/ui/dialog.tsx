// Dialogs and short messages. A command that changes something asks first, in words that say what
// will happen; its answer is told where a screen reader hears it.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icons";
import { StateIcon } from "./state";

interface ModalProps {
  onClose: () => void;
  label: string;
  wide?: boolean;
  children: ComponentChildren;
}

/** The browser's own modal dialog: it keeps the focus inside and gives it back. */
export function Modal({ onClose, label, wide, children }: ModalProps) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const el = box.current!;
    const before = document.activeElement as HTMLElement | null;
    el.showModal();
    return () => {
      el.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog
      ref={box} class={`modal ${wide ? "wide" : ""}`} aria-label={label} onCancel={(event) => (event.preventDefault(), onClose())}
      onClick={(event) => event.target === box.current && onClose()}
    >
      {children}
    </dialog>
  );
}

export interface Question {
  title: string;
  text: ComponentChildren;
  action: string;
  danger?: boolean;
  /** What is done; its answer is shown. */
  act: () => Promise<string>;
}

const question = signal<Question | undefined>(undefined);
interface Told {
  id: number;
  state: "complete" | "failed";
  text: string;
}
const told = signal<Told[]>([]);

export function ask(it: Question): void {
  question.value = it;
}

let tellings = 0;
export function tell(state: Told["state"], text: string): void {
  tellings += 1;
  const id = tellings;
  told.value = [...told.value.slice(-2), { id, state, text }];
  setTimeout(() => (told.value = told.value.filter((it) => it.id !== id)), state === "failed" ? 9000 : 4500);
}

function Confirm({ it }: { it: Question }) {
  const [busy, setBusy] = useState(false);
  const close = () => (question.value = undefined);
  const act = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      tell("complete", await it.act());
    } catch (error) {
      tell("failed", (error as Error).message);
    }
    close();
  };
  return (
    <Modal onClose={close} label={it.title}>
      <form onSubmit={(event) => void act(event as unknown as SubmitEvent)}>
        <strong style={{ fontSize: "15px" }}>{it.title}</strong>
        <div class="ink2">{it.text}</div>
        <div class="ends">
          <button type="button" class="button" onClick={close}>Cancel</button>
          <button type="submit" class={`button primary ${it.danger ? "danger" : ""}`} disabled={busy} autofocus>{it.action}</button>
        </div>
      </form>
    </Modal>
  );
}

export function Dialogs() {
  return (
    <>
      {question.value && <Confirm key={question.value.title} it={question.value} />}
      <div class="toasts" role="status" aria-live="polite">
        {told.value.map((it) => (
          <div class={`toast s-${it.state}`} key={it.id}>
            <StateIcon state={it.state} />
            <span class="grow">{it.text}</span>
            <button class="button quiet icon-only small" aria-label="Dismiss" onClick={() => (told.value = told.value.filter((t) => t.id !== it.id))}>
              <Icon name="close" />
            </button>
          </div>
        ))}
      </div>
    </>
  );
}
