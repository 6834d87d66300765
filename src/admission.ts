import type { Config } from "./config.ts";
import { limits } from "./core/limits.ts";
import { createSharedTurns } from "./core/shared-turns.ts";
import { createTokenBuckets } from "./core/token-buckets.ts";
import type { Admit } from "./graphql/admission.ts";
import { bearerToken } from "./tenancy/api-token.ts";
import type { Authenticator } from "./tenancy/authenticate.ts";

/** The key of all addresses together. */
const everywhere = "all";

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
  const allFailures = createTokenBuckets({
    perMinute: limits.allFailedSignInsPerMinute,
    burst: limits.allFailedSignInsBurst,
    keysMax: 1,
  });
  const createTurns = () => createSharedTurns({ everyMs: limits.suspectsMs, callersMax: limits.suspectsAtOnceMax });
  // Apart: however many guesses one address sends, they take no turn of those who come from elsewhere.
  const [guessers, others] = [createTurns(), createTurns()];
  const take = (key: string) => operations?.take(key) ?? 0;

  return async ({ authorization, address }) => {
    if (authorization === undefined) return take(`address ${address}`);
    const wait = failures.waitMs(address);
    const isSuspect = wait > 0 || allFailures.waitMs(everywhere) > 0;
    // Who was let in lately goes on whatever happens at their address. Nobody can guess a token of 256 bits: what is bounded is what trying costs
    // the database. So who has not come yet is looked up all the same, with others who wait for it: nobody behind the same proxy can lock them out.
    if (isSuspect && authenticator.mayBeGuess(authorization)) {
      if (bearerToken(authorization) === undefined) return wait > 0 ? wait : failures.take(address);
      if (!(await (wait > 0 ? guessers : others).take())) return Math.max(wait, limits.suspectsMs);
    }
    // Where nobody can say who it is, the operation tells why.
    const identity = await authenticator.identify(authorization).catch(() => "unavailable" as const);
    if (identity === "unavailable") return 0;
    // Also where the tenant is disabled: that is no guess, and nobody else at the address is to be slowed for it.
    if (identity) return take(`${identity.caller.actor.kind} ${identity.caller.actor.id}`);
    allFailures.take(everywhere);
    return wait > 0 ? wait : failures.take(address);
  };
}
