import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { hearOutput, watchedArguments } from "./support/watched-leaks.ts";

const directory = mkdtempSync(path.join(tmpdir(), "riposte-main-"));
// As root, PostgreSQL runs as another user, who has to pass through.
chmodSync(directory, 0o755);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Started {
  readonly output: () => string;
  readonly errors: () => string;
  readonly url: string;
  signal(name: NodeJS.Signals): void;
  readonly exited: Promise<number | null>;
}

/** `node src/main.ts` until it has printed its URLs, or has ended. */
async function start(environment: Record<string, string>): Promise<Started> {
  const { PATH } = process.env;
  const child = spawn(process.execPath, [...watchedArguments(), path.join(import.meta.dirname, "../src/main.ts")], {
    env: { PATH, PORT: "0", DATA_DIR: path.join(directory, "data"), LOG_LEVEL: "error", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  hearOutput(child, "a server");
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const exited = once(child, "close").then(([code]) => code as number | null);
  const isUp = () => output.includes("npm run example");
  await expect.poll(() => isUp() || child.exitCode !== null, { timeout: 25_000 }).toBe(true);
  const url = /GraphiQL\s+(\S+)/.exec(output)?.[1] ?? "";
  return { output: () => output, errors: () => errors, url, signal: (name) => child.kill(name), exited };
}

/** What the token that a start has shown is good for; undefined where it is refused, or there is none. */
async function rolesOf({ url, output }: Started): Promise<string[] | undefined> {
  const token = /\n\s+(rip_\S+)\n/.exec(output())?.[1];
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: '{"query":"{ viewer { name roles } }"}',
  });
  const { data } = (await response.json()) as { data?: { viewer?: { roles: string[] } } | null };
  return data?.viewer?.roles;
}

describe("npm start", () => {
  test("comes up on an empty directory, shows an admin's token once, and stops cleanly", async () => {
    const first = await start({});
    expect(first.errors()).toBe("");
    expect(await rolesOf(first)).toEqual(["admin"]);
    const ready = await fetch(new URL("/ready", first.url));
    expect([ready.status, await ready.json()]).toMatchObject([200, { ready: true }]);
    first.signal("SIGTERM");
    expect(await first.exited).toBe(0);

    const second = await start({});
    expect(second.output()).toContain("Riposte is up.");
    expect(second.output()).not.toContain("rip_");
    second.signal("SIGINT");
    expect(await second.exited).toBe(0);
  });

  test("tells every mistake of the configuration in one message, without a stack", async () => {
    const { exited, errors } = await start({ PORT: "x", LOG_LEVEL: "loud", DATABASE_URL: "mysql://a:hunter2@b/c" });
    expect(await exited).toBe(1);
    expect(
      errors()
        .split("\n")
        .filter((line) => line.startsWith("  ")),
    ).toHaveLength(3);
    expect(errors()).not.toMatch(/\n\s+at |hunter2/);
  });

  test("tells that the port is in use, and shows the admin's token at the first start that comes up", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const place = { DATA_DIR: path.join(directory, "taken") };
    const { exited, errors, output } = await start({ ...place, PORT: String(port) });
    expect(await exited).toBe(1);
    expect(errors()).toContain(`port ${port} of 127.0.0.1 is in use`);
    expect(errors()).not.toMatch(/\n\s+at /);
    expect(output()).toBe("");
    taken.close();

    const second = await start(place);
    expect(await rolesOf(second)).toEqual(["admin"]);
    second.signal("SIGTERM");
    expect(await second.exited).toBe(0);
  });

  test("tells that the database does not answer", async () => {
    const { exited, errors } = await start({ DATABASE_URL: "postgres://a:hunter2@127.0.0.1:1/c" });
    expect(await exited).toBe(1);
    expect(errors()).toMatch(/^Cannot start: .*DATABASE_URL/);
    expect(errors()).not.toMatch(/\n\s+at |hunter2/);
  });
});
