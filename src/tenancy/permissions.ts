/** What a caller may do. `noun:verb`; every root field names one, or says that any valid token will do. */
const permissions = [
  "action:read",
  "action:write",
  "playbook:read",
  "playbook:write",
  "run:read",
  "run:execute",
  "event:emit",
  "approval:read",
  "live-action:read",
  "live-action:dispatch",
  "live-action:govern",
  "secret:read",
  "secret:write",
  "variable:read",
  "variable:write",
  "token:read",
  "token:write",
  "settings:read",
  "settings:write",
  "audit:read",
  "tenant:create",
  "agent:read",
  "agent:write",
  "agent:work",
] as const;
export type Permission = (typeof permissions)[number];

const reader = [
  "action:read",
  "playbook:read",
  "run:read",
  "approval:read",
  "live-action:read",
  "variable:read",
  "settings:read",
  "agent:read",
] as const;
const operator = [...reader, "run:execute", "event:emit", "live-action:dispatch"] as const;
const author = [...operator, "action:write", "playbook:write", "secret:read"] as const;

/** Held by on-premises agents alone, which get it by enrolling: no API token is made with it, and no person has it. */
export const agentRole = "agent";
const agentOnly: ReadonlySet<Permission> = new Set<Permission>(["agent:work"]);

/** The roles with permissions. Any other name is free: it gives none, and serves as an approver's role. */
const rolePermissions: Readonly<Record<string, readonly Permission[]>> = {
  viewer: reader,
  operator,
  author,
  admin: permissions.filter((permission) => !agentOnly.has(permission)),
  [agentRole]: [...agentOnly],
};

/** The tenant that is made with the database: whoever runs the server. Names of tenants are unique, so there is no second one. */
export const hostTenantName = "default";

/**
 * What no role gives outside the host tenant. Customers have admins too, and an admin who could make tenants would
 * learn from a refused name which other customers there are.
 */
const hostOnly: ReadonlySet<Permission> = new Set<Permission>(["tenant:create"]);

/** What these roles give, wherever they are held in the host tenant. */
export function permissionsOf(roles: readonly string[]): ReadonlySet<Permission> {
  return new Set(roles.flatMap((role) => (Object.hasOwn(rolePermissions, role) ? (rolePermissions[role] ?? []) : [])));
}

/** What these roles give to a caller of the tenant of that name. */
export function permissionsIn(tenantName: string, roles: readonly string[]): ReadonlySet<Permission> {
  const given = permissionsOf(roles);
  return tenantName === hostTenantName ? given : new Set([...given].filter((permission) => !hostOnly.has(permission)));
}
