import type { Config } from "./config.ts";
import { limits } from "./core/limits.ts";
import { createTokenBuckets } from "./core/token-buckets.ts";
import type { Admit } from "./graphql/admission.ts";
import type { Authenticator } from "./tenancy/authenticate.ts";

/**
 * Bounds how many operations a caller begins on this node, and how often an address fails to sign in. The same person counts once, whatever
 * tokens they have; who has none counts by address.
 */
export function createAdmission(authenticator: Authenticator, config: Config): Admit {
  const { RATE_LIMIT_PER_MINUTE: perMinute, RATE_LIMIT_BURST: burst = Math.ceil(perMinute / 10) } = config;
  const keysMax = limits.ratedCallersMax;
  const operations = perMinute > 0 ? createTokenBuckets({ perMinute, burst: Math.max(burst, 1), keysMax }) : undefined;
  const failures = createTokenBuckets({
    perMinute: limits.failedSignInsPerMinute,
    burst: limits.failedSignInsBurst,
    keysMax,
  });
  const take = (key: string) => operations?.take(key) ?? 0;

  return async ({ authorization, address }) => {
    if (authorization === undefined) return take(`address ${address}`);
    const wait = failures.waitMs(address);
    // Who was let in lately goes on whatever happens at their address: others behind the same proxy can't lock them out.
    if (wait > 0 && authenticator.mayBeGuess(authorization)) return wait;
    // Where nobody can say who it is, the operation tells why.
    const identity = await authenticator.identify(authorization).catch(() => "unavailable" as const);
    if (identity === "unavailable") return 0;
    // Also where the tenant is disabled: that is no guess, and nobody else at the address is to be slowed for it.
    if (identity) return take(`${identity.caller.actor.kind} ${identity.caller.actor.id}`);
    return wait > 0 ? wait : failures.take(address);
  };
}
