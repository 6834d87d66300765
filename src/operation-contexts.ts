import { TenantDisabledError, UnauthenticatedError } from "./core/failures.ts";
import type { Orm } from "./database/orm.ts";
import { behindWall } from "./database/request-orm.ts";
import type { Context } from "./graphql/builder.ts";
import type { EdgeOptions } from "./graphql/server.ts";
import type { Asker } from "./graphql/shared-queries.ts";
import type { Authenticator, Identity } from "./tenancy/authenticate.ts";
import type { Caller } from "./tenancy/caller.ts";
import type { OperationContext } from "./tenancy/operation-context.ts";
import type { Permission } from "./tenancy/permissions.ts";

/** What belongs to one operation; all else in a context is the same for all of them. */
type OfOperation = "em" | "lastEventId" | "isSignedIn" | "isTenantDisabled" | "hasPermission" | "operation";

interface ContextParts {
  /** Of requests: see `openRequestOrm`. */
  readonly orm: Orm;
  readonly authenticator: Authenticator;
  /** What the rooms' resolvers ask of their context. */
  readonly services: Omit<Context, OfOperation>;
}

/** Makes the context of every operation: who asks, by the token it came with, and a unit of work of its own. */
export function createContexts({
  orm,
  authenticator,
  services,
}: ContextParts): Pick<EdgeOptions, "createContext" | "renewContext" | "askerOf"> {
  const identities = new WeakMap<Context, Identity | undefined>();
  const contextFor = (identity: Identity | undefined, lastEventId?: string, onLook?: () => void): Context => {
    const isTenantDisabled = identity?.isTenantDisabled ?? false;
    const caller = isTenantDisabled ? undefined : identity?.caller;
    const em = behindWall(orm.em.fork(), caller?.tenantId);
    const context: Context = {
      ...services,
      em,
      lastEventId,
      isSignedIn: caller !== undefined,
      isTenantDisabled,
      hasPermission: (permission: string) => caller?.permissions.has(permission as Permission) ?? false,
      get operation(): OperationContext {
        if (isTenantDisabled) throw new TenantDisabledError();
        if (!caller) throw new UnauthenticatedError("Sign in with a valid token: Authorization: Bearer <token>.");
        const { tenantId, actor, roles, permissions, issuedAt } = caller;
        // What a resolver can see of its caller is in the scope of `askerOf`, or tells `onLook`: else answers would be shared that may not be.
        return {
          ...{ tenantId, roles, permissions, em },
          get actor() {
            onLook?.();
            return actor;
          },
          get tokenIssuedAt() {
            onLook?.();
            return issuedAt;
          },
        };
      },
    };
    identities.set(context, identity);
    return context;
  };
  return {
    createContext: async ({ authorization, lastEventId }) =>
      contextFor(await authenticator.identify(authorization), lastEventId),
    async askerOf({ authorization }) {
      const identity = await authenticator.identify(authorization);
      if (!identity || identity.isTenantDisabled) return undefined;
      return { ...scopeOf(identity.caller), open: (onLook) => contextFor(identity, undefined, onLook) };
    },
    renewContext: (context) => contextFor(identities.get(context), context.lastEventId),
  };
}

type Scope = Pick<Asker, "scope" | "identity">;
const scopes = new WeakMap<Caller, Scope>();

/** By what callers are alike, and by what they are not; the same `Caller` asks again and again for a while. */
function scopeOf(caller: Caller): Scope {
  const known = scopes.get(caller);
  if (known) return known;
  const { tenantId, actor, roles, permissions } = caller;
  const scope = {
    scope: JSON.stringify([tenantId, roles, [...permissions]]),
    identity: JSON.stringify([actor.kind, actor.id ?? null, actor.name]),
  };
  scopes.set(caller, scope);
  return scope;
}
