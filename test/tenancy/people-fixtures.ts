import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Config } from "../../src/config.ts";
import { audience, type IdentityProvider, makeKey, openIdentityProvider } from "./identity-provider.ts";

/** Two identity providers of the same people, and the configuration that knows both; their tokens name the tenant. */
export interface TwoProviders {
  readonly own: IdentityProvider;
  readonly other: IdentityProvider;
  readonly config: Partial<Config>;
  close(): Promise<void>;
}

export async function openTwoProviders(): Promise<TwoProviders> {
  const [own, other] = await Promise.all([
    openIdentityProvider(await makeKey()),
    openIdentityProvider(await makeKey()),
  ]);
  const directory = await mkdtemp(path.join(tmpdir(), "riposte-providers-"));
  const file = path.join(directory, "providers.json");
  const list = [own, other].map(({ issuer, jwksUrl }) => ({
    ...{ issuer, audience: [audience], jwksUrl: jwksUrl.href, tenantClaim: "tenant" },
  }));
  await writeFile(file, JSON.stringify(list));
  return {
    own,
    other,
    config: { JWT_PROVIDERS: file },
    async close() {
      await Promise.all([own.close(), other.close(), rm(directory, { recursive: true })]);
    },
  };
}

/** A JWT of a person, issued so many seconds `ago`. */
export function jwtOf(
  provider: IdentityProvider,
  name: string,
  {
    roles,
    ago = 0,
    ...claims
  }: { readonly roles: readonly string[]; readonly ago?: number; readonly [claim: string]: unknown },
): Promise<string> {
  const iat = Math.floor(Date.now() / 1_000) - ago;
  return provider.sign({ sub: name, email: `${name}@example.com`, roles, iat, jti: randomUUID(), ...claims });
}
