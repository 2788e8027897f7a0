// The beginning: a page that talks to a server, or, where the file holds a saved run, that run
// alone without a single request.

import { render } from "preact";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/graph.css";
import "./styles/pages.css";
import "./app/theme";
import { App } from "./app/app";
import { startKeyboard } from "./app/keyboard";
import { keepPlaceInMemory, startRouter } from "./app/router";
import { OfflineShell } from "./app/shell";
import { SavedRunPage } from "./pages/run/saved";

const root = document.getElementById("app")!;
const saved = document.getElementById("flowglass-snapshot");

if (saved) {
  keepPlaceInMemory("/");
  startKeyboard({ offline: true });
  render(<OfflineShell><SavedRunPage json={saved.textContent ?? ""} /></OfflineShell>, root);
} else {
  startRouter();
  startKeyboard();
  render(<App />, root);
}
