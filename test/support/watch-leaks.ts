// Every test file passes through here (vitest.config.ts). What the product takes for a secret is noted as it goes in: nothing has to be remembered by
// a test. At the end of the file none of it may stand in its log, in its answers and events, nor in a database that it closed.
import { subscribe } from "node:diagnostics_channel";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { afterAll, expect, vi } from "vitest";
import { settingNames } from "./not-secret.ts";
import { leakWatch, mayBeAnswered } from "./watched-leaks.ts";

const note = (values: Iterable<string>, origin: string) => {
  for (const value of values) leakWatch.note(value, origin);
};

vi.mock("../../src/core/log.ts", async (original) => {
  const actual = await original<typeof import("../../src/core/log.ts")>();
  const { heardLog, overheard } = await import("./heard-log.ts");
  return {
    ...actual,
    createLog: (level: string) => overheard(actual.createLog(level)),
    silentLog: heardLog(),
  };
});

vi.mock("../../src/secrets/seal.ts", async (original) => {
  const actual = await original<typeof import("../../src/secrets/seal.ts")>();
  const createSealer: typeof actual.createSealer = (keyRing) => {
    const sealer = actual.createSealer(keyRing);
    return Object.assign(Object.create(sealer), {
      async seal(...[plaintext, sealedFor]: Parameters<typeof sealer.seal>) {
        note(secretsOf(plaintext, sealedFor.purpose), sealedFor.purpose);
        return sealer.seal(plaintext, sealedFor);
      },
      async open(...[sealed, sealedFor]: Parameters<typeof sealer.open>) {
        const plaintext = await sealer.open(sealed, sealedFor);
        note(secretsOf(plaintext, sealedFor.purpose), sealedFor.purpose);
        return plaintext;
      },
    });
  };
  return { ...actual, createSealer };
});

/** The secrets in what is sealed for this purpose: itself, or of a document the parts that are. */
function secretsOf(plaintext: string, purpose: string): string[] {
  try {
    return secretParts[purpose.split(":")[0] ?? ""]?.(plaintext) ?? [plaintext];
  } catch {
    return [plaintext];
  }
}

/** Of what is sealed as a document, by what it is sealed for. */
const secretParts: Readonly<Record<string, (plaintext: string) => string[]>> = {
  "audit-chain": () => [],
  run: (plaintext) => Object.values(JSON.parse(plaintext).givenSecrets),
  agent_task: (plaintext) => JSON.parse(plaintext).secrets,
  dispatch: (plaintext) => {
    const given: readonly [string, { readonly text?: string }][] = JSON.parse(plaintext).given;
    return given.flatMap(([name, { text }]) => (settingNames.includes(name) ? [] : (text ?? [])));
  },
};

vi.mock("../../src/secrets/put-secret.ts", async (original) => {
  const actual = await original<typeof import("../../src/secrets/put-secret.ts")>();
  const putSecret: typeof actual.putSecret = (ctx, sealer, input) => {
    note([input.value], `secret:${input.name}`);
    return actual.putSecret(ctx, sealer, input);
  };
  return { ...actual, putSecret };
});

vi.mock("../../src/secrets/mask.ts", async (original) => {
  const actual = await original<typeof import("../../src/secrets/mask.ts")>();
  const noted = (create: typeof actual.createMask) => (values: readonly string[]) => {
    note(values, "a masked value");
    return create(values);
  };
  return { ...actual, createMask: noted(actual.createMask), createLineMask: noted(actual.createLineMask) };
});

vi.mock("../../src/secrets/key-ring.ts", async (original) => {
  const actual = await original<typeof import("../../src/secrets/key-ring.ts")>();
  const openKeyRing: typeof actual.openKeyRing = async (options) => {
    const keyRing = await actual.openKeyRing(options);
    const text = options.secretsKey ?? (await readFile(actual.keyFileIn(options.dataDirectory), "utf8"));
    const keys = text.split(/[\s,]+/).map((item) => item.slice(item.indexOf(":") + 1));
    note(keys, "SECRETS_KEY");
    return keyRing;
  };
  return { ...actual, openKeyRing };
});

vi.mock("../../src/tenancy/api-token.ts", async (original) => {
  const actual = await original<typeof import("../../src/tenancy/api-token.ts")>();
  const generateToken = () => {
    const token = actual.generateToken();
    note([token], "token");
    return token;
  };
  return { ...actual, generateToken };
});

vi.mock("../../src/tenancy/authenticate.ts", async (original) => {
  const actual = await original<typeof import("../../src/tenancy/authenticate.ts")>();
  const noteToken = (authorization: string | undefined): void => {
    const token = authorization?.replace(/^bearer +/i, "") ?? "";
    note([token], "token");
    // What proves a JWT genuine is telling by itself.
    if (token.startsWith("ey")) note(token.split(".").slice(2), "signature of a token");
  };
  const createAuthenticator: typeof actual.createAuthenticator = (options) => {
    const { authenticate, identify, ...rest } = actual.createAuthenticator(options);
    return {
      ...rest,
      authenticate(authorization) {
        noteToken(authorization);
        return authenticate(authorization);
      },
      identify(authorization) {
        noteToken(authorization);
        return identify(authorization);
      },
    };
  };
  return { ...actual, createAuthenticator };
});

/** Where servers of this process listen. */
const edgePorts = new Set<number>();

vi.mock("../../src/graphql/server.ts", async (original) => {
  const actual = await original<typeof import("../../src/graphql/server.ts")>();
  const openEdge: typeof actual.openEdge = async (options) => {
    const edge = await actual.openEdge(options);
    edgePorts.add(edge.port);
    return edge;
  };
  return { ...actual, openEdge };
});

let connections = 0;
subscribe("net.server.socket", (message) => {
  const { socket } = message as { readonly socket: Socket };
  if (edgePorts.has(socket.localPort ?? 0)) overhear(socket, `an answer (connection ${++connections})`);
});

/** All that is written to a socket, answers and events by whatever protocol. */
function overhear(socket: Socket, name: string): void {
  const write = socket.write;
  socket.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    leakWatch.hear(name, text, mayBeAnswered);
    return Reflect.apply(write, socket, [chunk, ...rest]);
  };
}

afterAll(() => {
  expect(leakWatch.leaks(), "secrets that this file used are found in clear; see CONTRIBUTING.md, Tests").toEqual([]);
});
