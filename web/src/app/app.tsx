// Which page belongs to which address.

import { useState } from "preact/hooks";
import { ApiError, get } from "../api/client";
import type { Info } from "../api/types";
import { Empty } from "../ui/parts";
import { AlertsPage } from "../pages/alerts";
import { AssetsPage } from "../pages/assets";
import { OverviewPage } from "../pages/overview";
import { PipelinePage } from "../pages/pipeline";
import { PipelinesPage } from "../pages/pipelines";
import { RunPage } from "../pages/run/page";
import { RunsPage } from "../pages/runs";
import { Boundary } from "./boundary";
import { useResource } from "./resource";
import { place } from "./router";
import { SignIn } from "./session";
import { Head, Shell } from "./shell";

function Page() {
  const [room, name] = place.value.parts;
  if (!room) return <OverviewPage />;
  if (room === "runs") return name ? <RunPage key={name} id={name} /> : <RunsPage />;
  if (room === "pipelines") return name ? <PipelinePage key={name} name={name} /> : <PipelinesPage />;
  if (room === "assets") return <AssetsPage />;
  if (room === "alerts") return <AlertsPage />;
  return (
    <>
      <Head title="No such page" name="No such page" />
      <Empty icon="search" title="There is nothing at this address">
        <a class="link" href="/">Go to the overview</a>
      </Empty>
    </>
  );
}

export function App() {
  const [turn, setTurn] = useState(0);
  const info = useResource(`session ${turn}`, (signal) => get<Info>("/api/v1/info", {}, signal));
  if (info.error instanceof ApiError && info.error.status === 401) return <SignIn onDone={() => setTurn(turn + 1)} />;
  if (!info.value && !info.error) return null;
  return <Shell><Boundary key={place.value.path}><Page /></Boundary></Shell>;
}
