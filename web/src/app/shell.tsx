// The frame of every page: where one can go, how the connection is, what the keys are.

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { get } from "../api/client";
import type { Info } from "../api/types";
import { feed } from "../live/feed";
import { Dialogs, Modal } from "../ui/dialog";
import { Icon, Logo } from "../ui/icons";
import type { IconName } from "../ui/icons";
import { GO, helpShown, keysOfPage, paletteShown } from "./keyboard";
import { Palette } from "./palette";
import { useResource } from "./resource";
import { place } from "./router";
import { nextTheme, theme } from "./theme";

const ICONS: Record<string, IconName> = { "/": "overview", "/runs": "runs", "/pipelines": "pipelines", "/assets": "assets", "/alerts": "alerts" };

function Links({ keys }: { keys?: boolean }) {
  const first = `/${place.value.parts[0] ?? ""}`;
  return (
    <>
      {GO.map(([letter, name, href]) => (
        <a key={href} href={href} aria-current={href === first ? "page" : undefined}>
          <Icon name={ICONS[href]!} />
          <span>{name}</span>
          {keys && <kbd aria-hidden="true">g {letter}</kbd>}
        </a>
      ))}
    </>
  );
}

const LINK_WORDS = { live: "Live", connecting: "Connecting", lost: "Disconnected", refused: "Refused", ended: "Ended" };

export function LinkState({ state, class: extra = "" }: { state: keyof typeof LINK_WORDS; class?: string }) {
  return (
    <span class={`link-state ${state} ${extra}`}>
      <span class="dot" aria-hidden="true" />
      {LINK_WORDS[state]}
    </span>
  );
}

function ThemeButton() {
  const now = theme.value;
  return (
    <button class="button quiet icon-only" onClick={nextTheme} aria-label={`Theme: ${now}. Change it`} title={`Theme: ${now}`}>
      <Icon name={now === "auto" ? "auto" : now === "light" ? "sun" : "moon"} />
    </button>
  );
}

function HelpButton() {
  return (
    <button class="button quiet icon-only" onClick={() => (helpShown.value = true)} aria-label="Keys and help" title="Keys (?)">
      <Icon name="help" />
    </button>
  );
}

function Side() {
  const info = useResource("info", (signal) => get<Info>("/api/v1/info", {}, signal), { everyMs: 60_000 });
  return (
    <div class="side">
      <a class="brand" href="/" aria-label="Flowglass, overview"><Logo />Flowglass</a>
      <nav aria-label="Pages"><Links keys /></nav>
      <div class="foot">
        <LinkState state={feed.link.value} />
        <div class="row">
          <span class="cut num">{info.value ? `v${info.value.version}` : ""}</span>
          <span class="row" style={{ gap: 0 }}><HelpButton /><ThemeButton /></span>
        </div>
      </div>
    </div>
  );
}

function Help() {
  const all: [string, [string[], string][]][] = [
    ["Everywhere", [
      [["/"], "search"], [["j"], "next row"], [["k"], "row before"], [["Enter"], "open"], [["Esc"], "close, or leave the search"], [["Ctrl", "K"], "go to anything"], [["?"], "this help"],
    ]],
    ["Go to", GO.map(([letter, name]) => [["g", letter], name.toLowerCase()])],
  ];
  const own = keysOfPage().map((it): [string[], string] => [[it.key === " " ? "Space" : it.key], it.does]);
  if (own.length) all.push(["On this page", own]);
  return (
    <Modal onClose={() => (helpShown.value = false)} label="Keys" wide>
      <form method="dialog" onSubmit={() => (helpShown.value = false)}>
        <div class="row"><strong class="grow" style={{ fontSize: "15px" }}>Keys</strong>
          <button class="button quiet icon-only" aria-label="Close"><Icon name="close" /></button>
        </div>
        {all.map(([title, keys]) => (
          <section key={title} class="stack" style={{ gap: "4px" }}>
            <h3>{title}</h3>
            <div class="keys">
              {keys.map(([combo, does]) => (
                <div key={does}><span>{does}</span><span class="row">{combo.map((it) => <kbd key={it}>{it}</kbd>)}</span></div>
              ))}
            </div>
          </section>
        ))}
      </form>
    </Modal>
  );
}

export function Shell({ children }: { children: ComponentChildren }) {
  useEffect(() => {
    feed.start();
    return () => feed.stop();
  }, []);
  const lost = feed.link.value === "lost" && feed.failures.value > 0;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>Skip to the page</a>
      <div class="shell">
        <Side />
        <div style={{ minWidth: 0 }}>
          <div class="topbar">
            <a class="brand grow" href="/" aria-label="Flowglass, overview"><Logo />Flowglass</a>
            <LinkState state={feed.link.value} />
            <ThemeButton />
          </div>
          {lost && (
            <div class="banner" role="status">
              <Icon name="off" />
              <span>The server does not answer. What is shown is the last that was heard; the page tries again by itself.</span>
            </div>
          )}
          <main id="main" tabIndex={-1}>{children}</main>
        </div>
        <nav class="tabbar" aria-label="Pages"><Links /></nav>
      </div>
      <Dialogs />
      {helpShown.value && <Help />}
      {paletteShown.value && <Palette />}
    </>
  );
}

/** The shell of the offline page: one run, no other place to go to. */
export function OfflineShell({ children }: { children: ComponentChildren }) {
  return (
    <>
      <div class="topbar" style={{ display: "flex" }}>
        <span class="brand grow"><Logo />Flowglass <span class="dim small">saved run</span></span>
        <HelpButton />
        <ThemeButton />
      </div>
      <main id="main" tabIndex={-1}>{children}</main>
      <Dialogs />
      {helpShown.value && <Help />}
    </>
  );
}

interface HeadProps {
  title: ComponentChildren;
  /** The words of the browser's tab. */
  name: string;
  crumbs?: [string, string][];
  children?: ComponentChildren;
  actions?: ComponentChildren;
}

export function Head({ title, name, crumbs, children, actions }: HeadProps) {
  useEffect(() => {
    document.title = `${name} · Flowglass`;
  }, [name]);
  return (
    <div class="head">
      <div class="titles">
        {crumbs && (
          <nav class="crumb" aria-label="Path">
            {crumbs.map(([text, href]) => <><a key={href} href={href}>{text}</a><span aria-hidden="true">›</span></>)}
          </nav>
        )}
        <h1>{title}</h1>
        {children}
      </div>
      {actions && <div class="actions">{actions}</div>}
    </div>
  );
}
