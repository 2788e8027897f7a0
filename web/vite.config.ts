// The build: one page, assets with a content hash under `assets-static/`, nothing from elsewhere.
// `--mode offline` makes the same bundle as one script and one style sheet, to be written into a
// single file by `scripts/build.mjs`.
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const server = process.env.FLOWGLASS_URL ?? "http://127.0.0.1:8090";

/** Files that are committed end with a line end, as every text file of the project does. */
const lineEnds: Plugin = {
  name: "line-ends",
  enforce: "post",
  generateBundle: {
    order: "post",
    handler(_, bundle) {
      for (const it of Object.values(bundle)) {
        if (it.type === "chunk") it.code = `${it.code.trimEnd()}\n`;
        else if (/\.(css|html)$/.test(it.fileName)) it.source = `${it.source.toString().trimEnd()}\n`;
      }
    },
  },
};

export default defineConfig(({ mode }) => ({
  base: "/",
  plugins: [lineEnds],
  build: {
    outDir: mode === "offline" ? "build/offline" : (process.env.OUT_DIR ?? "dist"),
    assetsDir: "assets-static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: mode === "offline" ? 1 << 20 : 0,
    modulePreload: false as const,
    reportCompressedSize: false,
    cssCodeSplit: false,
  },
  server: { proxy: { "/api": { target: server, changeOrigin: true } } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
}));
