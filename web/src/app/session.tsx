// Signing in with a token. It is sent once and kept by the browser in a cookie that no script can
// read; the stream of events needs it there.

import { useState } from "preact/hooks";
import { post } from "../api/client";
import { Logo } from "../ui/icons";

export function SignIn({ onDone }: { onDone: () => void }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState("");
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await post("/api/v1/session", { token });
      onDone();
    } catch (problem) {
      setError((problem as Error).message);
    }
  };
  return (
    <main id="main" class="signin" tabIndex={-1}>
      <form class="card body stack" onSubmit={(event) => void submit(event)}>
        <span class="brand"><Logo />Flowglass</span>
        <h1>Sign in</h1>
        <p class="ink2">This server wants a token. Its owner gives you one with the role that you need.</p>
        <label class="stack" style={{ gap: "5px" }}>
          <span class="small ink2">Token</span>
          <input class="field mono" type="password" autoComplete="current-password" value={token} onInput={(event) => setToken(event.currentTarget.value)} required />
        </label>
        {error && <div class="failure" role="alert">{error}</div>}
        <button class="button primary" style={{ justifyContent: "center" }}>Sign in</button>
      </form>
    </main>
  );
}
