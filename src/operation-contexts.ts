import { UnauthenticatedError } from "./core/failures.ts";
import type { Orm } from "./database/orm.ts";
import { behindWall } from "./database/request-orm.ts";
import type { Context } from "./graphql/builder.ts";
import type { EdgeOptions } from "./graphql/server.ts";
import type { Authenticator, Caller } from "./tenancy/authenticate.ts";
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
}: ContextParts): Pick<EdgeOptions, "createContext" | "renewContext"> {
  const callers = new WeakMap<Context, Caller | undefined>();
  const contextFor = (caller: Caller | undefined, lastEventId: string | undefined): Context => {
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
        return { tenantId, actor, roles, permissions, em };
      },
    };
    callers.set(context, caller);
    return context;
  };
  return {
    createContext: async ({ authorization, lastEventId }) =>
      contextFor(await authenticator.authenticate(authorization), lastEventId),
    renewContext: (context) => contextFor(callers.get(context), context.lastEventId),
  };
}
