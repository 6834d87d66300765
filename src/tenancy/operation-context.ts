import type { EntityManager } from "@mikro-orm/postgresql";
import type { Permission } from "./permissions.ts";

/** Who asks. `name` is what people read: a token's name. */
export interface Actor {
  readonly kind: "TOKEN" | "MEMBER" | "AGENT" | "SYSTEM";
  readonly id?: string;
  readonly name: string;
}

/** What every operation is handed: whose data, on whose behalf, through which unit of work. */
export interface OperationContext {
  readonly tenantId: string;
  readonly actor: Actor;
  readonly roles: readonly string[];
  readonly permissions: ReadonlySet<Permission>;
  /** Of the JWT that the caller came with, where it says so. */
  readonly tokenIssuedAt?: Date | undefined;
  /** A fork of its own: nothing of it is shared with another operation. */
  readonly em: EntityManager;
}
