/** What a caller may do. `noun:verb`; every root field names one. */
export const permissions = [
  "action:read",
  "action:write",
  "playbook:read",
  "playbook:write",
  "run:read",
  "run:execute",
  "secret:read",
  "secret:write",
  "variable:read",
  "variable:write",
  "token:read",
  "token:write",
  "settings:read",
  "settings:write",
  "tenant:create",
] as const;
export type Permission = (typeof permissions)[number];

const reader = ["action:read", "playbook:read", "run:read", "variable:read", "settings:read"] as const;
const operator = [...reader, "run:execute"] as const;
const author = [...operator, "action:write", "playbook:write", "secret:read"] as const;

/** The roles with permissions. Any other name is free: it gives none, and serves as an approver's role. */
export const rolePermissions: Readonly<Record<string, readonly Permission[]>> = {
  viewer: reader,
  operator,
  author,
  admin: permissions,
};

/** What a caller with these roles may do. */
export function permissionsOf(roles: readonly string[]): ReadonlySet<Permission> {
  return new Set(roles.flatMap((role) => (Object.hasOwn(rolePermissions, role) ? (rolePermissions[role] ?? []) : [])));
}
