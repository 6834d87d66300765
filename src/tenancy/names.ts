import type { Issue } from "../core/failures.ts";
import { limits } from "../core/limits.ts";
import { agentRole } from "./permissions.ts";

/** The token that `ADMIN_TOKEN` sets, and the one that another took the place of. No one else's token may be called so. */
export const configuredTokenName = "ADMIN_TOKEN";
export const replacedTokenName = "ADMIN_TOKEN (replaced)";

const roleName = /^[a-z][a-z0-9_-]{0,62}$/;

/** True for a text that can be a role's name. */
export function isRole(text: string): boolean {
  return roleName.test(text);
}

/** What is wrong with the roles that a token is to have. The message quotes none: it may be anything that was pasted. */
export function roleIssues(roles: readonly string[]): Issue[] {
  if (roles.length === 0)
    return [issue("$.roles", "empty", "Give at least one role, such as viewer, operator, author or admin.")];
  if (roles.length > limits.rolesMax)
    return [issue("$.roles", "too_many", `A token has at most ${limits.rolesMax} roles.`)];
  return roles.flatMap((role, index) => {
    const path = `$.roles[${index}]`;
    if (!roleName.test(role)) {
      return [issue(path, "invalid_role", "A role begins with a small letter and has up to 63 of a-z, 0-9, _ and -.")];
    }
    if (role === agentRole) {
      return [issue(path, "reserved_role", "This role belongs to on-premises agents, which get it by enrolling.")];
    }
    return roles.indexOf(role) < index ? [issue(path, "duplicate", "The role is given twice.")] : [];
  });
}

/** What is wrong with a name that people read: of a token or a tenant. */
export function nameIssues(name: string): Issue[] {
  const isGood =
    name.length <= limits.nameLengthMax && name.isWellFormed() && /^[^\p{C}]+$/u.test(name) && name.trim() === name;
  return isGood
    ? []
    : [
        issue(
          "$.name",
          "invalid_name",
          `A name has 1 to ${limits.nameLengthMax} visible characters and no blanks at its ends.`,
        ),
      ];
}

function issue(path: string, code: string, message: string): Issue {
  return { path, code, message };
}
