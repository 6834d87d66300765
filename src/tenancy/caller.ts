import type { Actor } from "./operation-context.ts";
import type { Permission } from "./permissions.ts";

/** Who holds a valid token, and what that gives. */
export interface Caller {
  readonly tenantId: string;
  readonly actor: Actor;
  readonly roles: readonly string[];
  readonly permissions: ReadonlySet<Permission>;
  /** Of an API token; a JWT has none. */
  readonly tokenId?: string;
  /** Of a JWT that says so. */
  readonly issuedAt?: Date | undefined;
  /** Undefined for a token that does not expire. */
  readonly expiresAt: Date | undefined;
}
