// The tests in a real browser, one after the other. Against a running server (`FLOWGLASS_URL=…`) the
// walk alone is taken: the other tests steer the mock.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: process.env.FLOWGLASS_URL ? ["e2e/walk.test.ts"] : ["e2e/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
