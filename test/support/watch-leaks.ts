// Every test file passes through here (vitest.config.ts). What the product takes for a secret is noted as it goes in: nothing has to be remembered by
// a test. At the end of the file none of it may stand in its log, in its answers and events, nor in a database that it closed; the same goes for
// programs of ours that it runs in processes of their own (watched-processes.ts).
import { afterAll, expect, vi } from "vitest";
import { allLeaks, forgetProcesses, leakWatch, mayBeAnswered } from "./watched-leaks.ts";
import { watchedModules } from "./watched-modules.ts";

const watched = watchedModules({
  secret: (value, origin) => leakWatch.note(value, origin),
  log: (line) => leakWatch.hear("the log", line),
  answer: (connection, text) => leakWatch.hear(`an answer (connection ${connection})`, text, mayBeAnswered),
});

/** What a module exports, and in the place of some of it what is watched. */
async function around(
  name: keyof typeof watched,
  original: () => Promise<object>,
): Promise<Readonly<Record<string, unknown>>> {
  const actual = await original();
  const changes = Object.entries<(actual: never) => unknown>(watched[name]);
  return { ...actual, ...Object.fromEntries(changes.map(([key, change]) => [key, change(actual as never)])) };
}

vi.mock("../../src/core/log.ts", (original) => around("core/log.ts", original));
vi.mock("../../src/secrets/seal.ts", (original) => around("secrets/seal.ts", original));
vi.mock("../../src/secrets/put-secret.ts", (original) => around("secrets/put-secret.ts", original));
vi.mock("../../src/secrets/mask.ts", (original) => around("secrets/mask.ts", original));
vi.mock("../../src/secrets/key-ring.ts", (original) => around("secrets/key-ring.ts", original));
vi.mock("../../src/tenancy/api-token.ts", (original) => around("tenancy/api-token.ts", original));
vi.mock("../../src/tenancy/authenticate.ts", (original) => around("tenancy/authenticate.ts", original));
vi.mock("../../src/graphql/server.ts", (original) => around("graphql/server.ts", original));

afterAll(() => {
  const leaks = allLeaks();
  forgetProcesses();
  expect(leaks, "secrets that this file used are found in clear; see CONTRIBUTING.md, Tests").toEqual([]);
});
