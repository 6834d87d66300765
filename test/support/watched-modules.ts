import { subscribe } from "node:diagnostics_channel";
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { heardLog, overheard } from "./heard-log.ts";
import { settingNames } from "./not-secret.ts";

/** What becomes of what is seen in a process of ours. */
export interface Listener {
  /** A value that may stand nowhere in clear. */
  secret(value: string, origin: string): void;
  /** A line of the log, of any level. */
  log(line: string): void;
  /** A piece of what a connection is answered. @param connection Its number in this process. */
  answer(connection: number, text: string): void;
}

type CoreLog = typeof import("../../src/core/log.ts");
type Seal = typeof import("../../src/secrets/seal.ts");
type PutSecret = typeof import("../../src/secrets/put-secret.ts");
type Mask = typeof import("../../src/secrets/mask.ts");
type KeyRing = typeof import("../../src/secrets/key-ring.ts");
type ApiToken = typeof import("../../src/tenancy/api-token.ts");
type Authenticate = typeof import("../../src/tenancy/authenticate.ts");
type Server = typeof import("../../src/graphql/server.ts");

/**
 * What stands in the place of exports of the product, so that a listener hears of them: by the module's path in `src/`, then by the
 * export's name, a function of what the module exports.
 */
export function watchedModules(listener: Listener) {
  const note = (values: Iterable<string>, origin: string) => {
    for (const value of values) listener.secret(value, origin);
  };
  const log = heardLog((line) => listener.log(line));
  return {
    "core/log.ts": {
      createLog: (actual: CoreLog) => (level: string) => overheard(actual.createLog(level), log),
      silentLog: () => log,
    },
    "secrets/seal.ts": { createSealer: (actual: Seal) => watchedSealer(actual, note) },
    "secrets/put-secret.ts": {
      putSecret: (actual: PutSecret): PutSecret["putSecret"] =>
        async function putSecret(ctx, sealer, input) {
          note([input.value], `secret:${input.name}`);
          return actual.putSecret(ctx, sealer, input);
        },
    },
    "secrets/mask.ts": {
      createMask: (actual: Mask) => (values: readonly string[]) => {
        note(values, "a masked value");
        return actual.createMask(values);
      },
      createLineMask: (actual: Mask) => (values: readonly string[]) => {
        note(values, "a masked value");
        return actual.createLineMask(values);
      },
    },
    "secrets/key-ring.ts": {
      openKeyRing: (actual: KeyRing): KeyRing["openKeyRing"] =>
        async function openKeyRing(options) {
          const keyRing = await actual.openKeyRing(options);
          const text = options.secretsKey ?? (await readFile(actual.keyFileIn(options.dataDirectory), "utf8"));
          const keys = text.split(/[\s,]+/).map((item) => item.slice(item.indexOf(":") + 1));
          note(keys, "SECRETS_KEY");
          return keyRing;
        },
    },
    "tenancy/api-token.ts": {
      generateToken: (actual: ApiToken) => () => {
        const token = actual.generateToken();
        note([token], "token");
        return token;
      },
    },
    "tenancy/authenticate.ts": { createAuthenticator: (actual: Authenticate) => watchedAuthenticator(actual, note) },
    "graphql/server.ts": { openEdge: (actual: Server) => watchedEdge(actual, listener) },
  };
}

type Note = (values: Iterable<string>, origin: string) => void;

function watchedSealer(actual: Seal, note: Note): Seal["createSealer"] {
  return (keyRing) => {
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
}

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

function watchedAuthenticator(actual: Authenticate, note: Note): Authenticate["createAuthenticator"] {
  const noteToken = (authorization: string | undefined): void => {
    const token = authorization?.replace(/^bearer +/i, "") ?? "";
    note([token], "token");
    // What proves a JWT genuine is telling by itself.
    if (token.startsWith("ey")) note(token.split(".").slice(2), "signature of a token");
  };
  return (options) => {
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
}

/** All that is written to the sockets of the API, answers and events by whatever protocol. */
function watchedEdge(actual: Server, listener: Listener): Server["openEdge"] {
  const ports = new Set<number>();
  let connections = 0;
  subscribe("net.server.socket", (message) => {
    const { socket } = message as { readonly socket: Socket };
    if (!ports.has(socket.localPort ?? 0)) return;
    const connection = ++connections;
    const write = socket.write;
    socket.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
      listener.answer(connection, typeof chunk === "string" ? chunk : Buffer.from(chunk).toString());
      return Reflect.apply(write, socket, [chunk, ...rest]);
    };
  });
  return async (options) => {
    const edge = await actual.openEdge(options);
    ports.add(edge.port);
    return edge;
  };
}
