import { UnauthenticatedError } from "./core/failures.ts";
import type { Orm } from "./database/orm.ts";
import { behindWall } from "./database/request-orm.ts";
import type { Context } from "./graphql/builder.ts";
import type { EdgeOptions } from "./graphql/server.ts";
import type { Asker } from "./graphql/shared-queries.ts";
import type { Authenticator } from "./tenancy/authenticate.ts";
import type { Caller } from "./tenancy/caller.ts";
import type { OperationContext } from "./tenancy/operation-context.ts";
import type { Permission } from "./tenancy/permissions.ts";

/** What belongs to one operation; all else in a context is the same for all of them. */
type OfOperation = "em" | "lastEventId" | "isSignedIn" | "hasPermission" | "operation";

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
  const callers = new WeakMap<Context, Caller | undefined>();
  const contextFor = (caller: Caller | undefined, lastEventId?: string, onLook?: () => void): Context => {
    const em = behindWall(orm.em.fork(), caller?.tenantId);
    const context: Context = {
      ...services,
      em,
      lastEventId,
      isSignedIn: caller !== undefined,
      hasPermission: (permission: string) => caller?.permissions.has(permission as Permission) ?? false,
      get operation(): OperationContext {
        if (!caller) throw new UnauthenticatedError("Sign in with a valid token: Authorization: Bearer <token>.");
        const { tenantId, actor, roles, permissions } = caller;
        // What a resolver can see of its caller is in the scope of `askerOf`, or tells `onLook`: else answers would be shared that may not be.
        return {
          ...{ tenantId, roles, permissions, em },
          get actor() {
            onLook?.();
            return actor;
          },
        };
      },
    };
    callers.set(context, caller);
    return context;
  };
  return {
    createContext: async ({ authorization, lastEventId }) =>
      contextFor(await authenticator.authenticate(authorization), lastEventId),
    async askerOf({ authorization }) {
      const caller = await authenticator.authenticate(authorization);
      if (!caller) return undefined;
      return { ...scopeOf(caller), open: (onLook) => contextFor(caller, undefined, onLook) };
    },
    renewContext: (context) => contextFor(callers.get(context), context.lastEventId),
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
