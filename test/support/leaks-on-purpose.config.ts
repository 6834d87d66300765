import { defineConfig } from "vitest/config";

/** For the one file that has to fail: a process that watch-leaks.test.ts starts, with the server of that run in its environment. */
export default defineConfig({
  test: {
    include: ["test/support/leaks-on-purpose.ts"],
    setupFiles: ["test/support/watch-leaks.ts"],
    provide: { testServer: JSON.parse(process.env["TEST_SERVER"] ?? "{}") },
  },
});
