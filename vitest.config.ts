import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Node itself loads graphql's `main`; by `module`, the tests would get a second copy of it, whose types are foreign to the first.
  resolve: { alias: [{ find: /^graphql$/, replacement: fileURLToPath(import.meta.resolve("graphql")) }] },
  test: {
    // Waiting for something is bounded by the test's own time, not by a second: machines are busy.
    expect: { poll: { timeout: 20_000 } },
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/property-seed.ts", "test/support/watch-leaks.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
