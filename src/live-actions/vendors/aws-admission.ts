import { limits } from "../../core/limits.ts";
import { awaitCompletion } from "../await-completion.ts";
import type { VendorHttp } from "../vendor-http.ts";
import type { SecurityGroupApi } from "./aws-ec2.ts";
import { type Admission, type Rule, relationOf, type Source, type Traffic } from "./aws-rules.ts";
import { awsCode } from "./aws-sdk.ts";

/** What taking an admission out of a group came to. */
export interface TakenOut {
  /** The rules that are gone by this call. */
  readonly revoked: readonly Rule[];
  /** Broader rules that were left alone and hold for all of it or for a part. */
  readonly left: readonly Rule[];
  /** False where EC2 still showed a revoked rule at the last look, or could not be looked at again. */
  readonly isConfirmed: boolean;
  readonly warnings: readonly string[];
  /** Why not all of them are, after some were. */
  readonly problem?: string | undefined;
}

interface Taking {
  readonly group: SecurityGroupApi;
  readonly wanted: Admission;
  readonly http: VendorHttp;
}

/** Revokes the rules that hold for nothing but the admission. Never adds one. @throws Only where nothing was revoked. */
export async function takeOut({ group, wanted, http }: Taking): Promise<TakenOut> {
  await group.requireGroup();
  const before = await group.ingressRules();
  const inside = insideOf(before, wanted);
  const { revoked, problem } = inside.length === 0 ? { revoked: [] } : await revokeAll(group, inside);
  // Nothing from here on may throw: a rollback needs to be told what was revoked.
  if (problem !== undefined) return { revoked, left: [], isConfirmed: false, warnings: [], problem };
  const seen = inside.length === 0 ? undefined : await lookAgain({ group, wanted, http });
  const warnings = [...(seen?.warnings ?? [])];
  const left = await leftOf(group, seen?.last ?? before, { wanted, warnings });
  return { revoked, left, isConfirmed: seen === undefined || seen.isOver, warnings };
}

/** AWS recommends to look, and EC2 may show a revoked rule for a moment ("Eventual consistency in the Amazon EC2 API", 2026-11). */
function lookAgain({ group, wanted, http }: Taking) {
  const isOver = (rules: readonly Rule[]): boolean => insideOf(rules, wanted).length === 0;
  return awaitCompletion(http, group.ingressRules, { isOver, boundMs: limits.awsCompletionMs });
}

function insideOf(rules: readonly Rule[], wanted: Admission): Rule[] {
  return rules.filter((rule) => relationOf(rule, wanted) === "inside");
}

/** All at once; one by one where one of them has gone meanwhile, since then EC2 revokes none. */
async function revokeAll(
  group: SecurityGroupApi,
  rules: readonly Rule[],
): Promise<Pick<TakenOut, "revoked" | "problem">> {
  try {
    await group.revoke(rules.map(({ id }) => id));
    return { revoked: rules };
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  const revoked: Rule[] = [];
  for (const rule of rules) {
    try {
      if (await revokeOne(group, rule.id)) revoked.push(rule);
    } catch (error) {
      if (revoked.length === 0) throw error;
      return { revoked, problem: `${rule.id} could not be revoked: ${error instanceof Error ? error.message : error}` };
    }
  }
  return { revoked };
}

/** @returns False where the rule had gone before. */
async function revokeOne(group: SecurityGroupApi, id: string): Promise<boolean> {
  try {
    await group.revoke([id]);
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

async function leftOf(
  group: SecurityGroupApi,
  rules: readonly Rule[],
  { wanted, warnings }: { readonly wanted: Admission; readonly warnings: string[] },
): Promise<readonly Rule[]> {
  const left: Rule[] = [];
  const members: string[] = [];
  for (const rule of rules) {
    if (rule.groupId !== undefined) members.push(rule.id);
    const sources = rule.prefixListId === undefined ? undefined : await listed(group, rule.prefixListId, warnings);
    if (relationOf(rule, wanted, sources) === "across") left.push(rule);
  }
  if (members.length > 0) {
    const names = members.join(", ");
    warnings.push(`Rules that hold for the members of another group were not looked into: ${names}.`);
  }
  return left;
}

async function listed(group: SecurityGroupApi, id: string, warnings: string[]): Promise<readonly Source[]> {
  try {
    return await group.prefixList(id);
  } catch {
    warnings.push(`The prefix list ${id}, which a rule names, could not be looked into.`);
    return [];
  }
}

/** Adds the rule for an admission. @returns The new rule; undefined where there is one already. */
export async function putIn(
  group: SecurityGroupApi,
  { source, traffic, description }: Admission & { readonly description: string },
): Promise<Rule | undefined> {
  return addRule(group, { source, ...traffic, description, tags: {} });
}

async function addRule(group: SecurityGroupApi, rule: Omit<Rule, "id">): Promise<Rule | undefined> {
  try {
    return await group.authorize(rule);
  } catch (error) {
    if (awsCode(error) === "InvalidPermission.Duplicate") return undefined;
    throw error;
  }
}

/** Undoes a change: one rule after the other, so that one which is there already stops none of the others. */
export async function undo(
  group: SecurityGroupApi,
  { revoked, added }: { readonly revoked: readonly Rule[]; readonly added: readonly Rule[] },
): Promise<{ readonly restored: readonly Rule[]; readonly removed: readonly Rule[] }> {
  const restored: Rule[] = [];
  const removed: Rule[] = [];
  for (const rule of revoked) {
    const again = await addRule(group, rule);
    if (again) restored.push(again);
  }
  for (const rule of added) if (await revokeOne(group, rule.id)) removed.push(rule);
  return { restored, removed };
}

/** @see "Error codes for the Amazon EC2 API", 2026-11. */
function isGone(error: unknown): boolean {
  const code = awsCode(error);
  return code === "InvalidPermission.NotFound" || code === "InvalidSecurityGroupRuleId.NotFound";
}

/** Every protocol and port. */
export function isAllTraffic({ protocol }: Traffic): boolean {
  return protocol === "-1";
}
