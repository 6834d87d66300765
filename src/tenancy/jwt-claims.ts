import { createHash } from "node:crypto";
import { isJsonObject, type Json, type JsonObject } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import type { JwtProvider } from "./jwt-provider.ts";
import { configuredTokenName, isRole, nameIssues, replacedTokenName } from "./names.ts";
import { agentRole } from "./permissions.ts";

/** Why a JWT is not believed: for the log of who set the provider up. The caller is told none of it. */
export class JwtRefused extends Error {
  /** Stable, lower_snake. */
  readonly reason: string;
  constructor(reason: string) {
    super(`The JWT was refused: ${reason}.`);
    this.reason = reason;
  }
}

/** A person, as a provider describes them. */
export interface DescribedPerson {
  /** A UUID of issuer and subject. */
  readonly id: string;
  readonly name: string;
  /** The name or id of a tenant. */
  readonly tenant: string;
  readonly roles: readonly string[];
}

/**
 * What verified claims say.
 * @throws JwtRefused `no_subject`, `no_tenant`, `too_many_roles`
 */
export function personOf(claims: JsonObject, provider: JwtProvider): DescribedPerson {
  const { sub } = claims;
  if (typeof sub !== "string" || sub === "" || sub.length > limits.jwtSubjectLengthMax) {
    throw new JwtRefused("no_subject");
  }
  const tenant = "name" in provider.tenant ? provider.tenant.name : claimAt(claims, provider.tenant.claim);
  if (typeof tenant !== "string" || nameIssues(tenant).length > 0) throw new JwtRefused("no_tenant");
  const id = personId(provider.issuer, sub);
  return { id, name: nameOf(claims, provider) ?? `member ${id}`, tenant, roles: rolesOf(claims, provider) };
}

/**
 * The same for the same person of the same issuer, always and on every node: approvals are refused to who asked for them by it.
 * 122 bits of a SHA-256 of both, so nobody finds a subject of another issuer with the same id (RFC 9562, version 8).
 */
export function personId(issuer: string, subject: string): string {
  const bytes = createHash("sha256")
    .update(JSON.stringify([issuer, subject]))
    .digest()
    .subarray(0, 16);
  bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x80;
  bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** True for what `personId` makes: every other id here is of another version. */
export function isPersonId(id: string): boolean {
  return id[14] === "8";
}

/**
 * A claim by its dotted path. Names of claims may hold dots themselves (`https://riposte.example/roles`, a client's id), so at each place the
 * longest name that is there counts. Own properties only.
 */
export function claimAt(claims: JsonObject, path: string): Json | undefined {
  for (let end = path.length; end > 0; end = path.lastIndexOf(".", end - 1)) {
    const name = path.slice(0, end);
    if (!Object.hasOwn(claims, name)) continue;
    const value = claims[name];
    if (end === path.length) return value;
    return isJsonObject(value) ? claimAt(value, path.slice(end + 1)) : undefined;
  }
  return undefined;
}

/** An address that its provider says nobody has proven is no name: who has it not could take it. */
function nameOf(claims: JsonObject, { nameClaims }: JwtProvider): string | undefined {
  for (const path of nameClaims) {
    const name = claimAt(claims, path);
    if (path === "email" && claims["email_verified"] === false) continue;
    if (typeof name !== "string" || nameIssues(name).length > 0) continue;
    if (name !== configuredTokenName && name !== replacedTokenName) return name;
  }
  return undefined;
}

/** A list, or a text with blanks between them. What can be no role of ours counts for nothing, nor does an agent's: it is no person's. */
function rolesOf(claims: JsonObject, { rolesClaim, roleMap }: JwtProvider): string[] {
  const claim = claimAt(claims, rolesClaim);
  const given = typeof claim === "string" ? claim.split(/\s+/) : Array.isArray(claim) ? claim : [];
  const roles = new Set<string>();
  for (const name of given) {
    const role = typeof name === "string" ? (roleMap ? roleMap.get(name) : name) : undefined;
    if (role !== undefined && isRole(role) && role !== agentRole) roles.add(role);
  }
  if (roles.size > limits.rolesMax) throw new JwtRefused("too_many_roles");
  return [...roles];
}
