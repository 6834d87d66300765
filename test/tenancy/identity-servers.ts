import { terminateAll } from "../graphql/raw-socket.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { audience, type IdentityProvider, makeKey, openIdentityProvider } from "./identity-provider.ts";

/** Two nodes on one database, and the identity provider that both believe. */
export interface IdentityServers {
  readonly provider: IdentityProvider;
  readonly first: TestServer;
  readonly second: TestServer;
  close(): Promise<void>;
}

/** @param rolesClaim Where its JWTs name roles; they name the tenant in `tenant`. */
export async function openIdentityServers(rolesClaim: string): Promise<IdentityServers> {
  const provider = await openIdentityProvider(await makeKey());
  const config = {
    JWT_ISSUER: provider.issuer,
    JWT_AUDIENCE: [audience],
    JWT_JWKS_URL: provider.jwksUrl.href,
    JWT_TENANT_CLAIM: "tenant",
    JWT_ROLES_CLAIM: rolesClaim,
  };
  const first = await startTestServer({ config });
  const second = await startTestServer({ config, database: first.database });
  return {
    provider,
    first,
    second,
    async close() {
      terminateAll();
      await second.close();
      await first.close();
      await provider.close();
    },
  };
}
