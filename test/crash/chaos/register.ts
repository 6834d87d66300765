import { expect } from "vitest";
import { Clients } from "./clients.ts";
import { adminToken, type ChaosCluster } from "./cluster.ts";
import { approverRole, chaosActions, chaosPlaybooks } from "./playbooks.ts";
import type { Vendor } from "./vendor.ts";

const actionDocument = `mutation($input: RegisterActionInput!) { answer: registerAction(input: $input) {
  ... on ValidationFailure { issues { path message } } ... on Failure { code message } } }`;
const playbookDocument = `mutation($input: RegisterPlaybookInput!) { answer: registerPlaybook(input: $input) {
  ... on ValidationFailure { issues { path message } } ... on Failure { code message } } }`;
/** Under its own name, by which the watch for leaks knows that a token may be told. */
const tokenDocument = `mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) {
  ... on CreateApiTokenPayload { token } ... on Failure { code message } } }`;

/** Registers what the chaos executes. @returns The tokens of those who decide. */
export async function registerAll({ nodes: [node] }: ChaosCluster, vendor: Vendor): Promise<readonly string[]> {
  if (!node) throw new Error("There is no node.");
  const clients = new Clients({ nodes: [node] } as unknown as ChaosCluster);
  const mutate = async (document: string, input: object) => {
    const data = await clients.ask<Record<string, object>>(node, { token: adminToken, document, variables: { input } });
    expect(clients.oddities).toEqual([]);
    return Object.values(data ?? {})[0] ?? {};
  };
  for (const action of chaosActions(vendor)) expect(await mutate(actionDocument, action)).toEqual({});
  for (const { document } of chaosPlaybooks) {
    expect(await mutate(playbookDocument, { source: JSON.stringify(document) })).toEqual({});
  }
  const tokens: string[] = [];
  for (const name of ["ann", "bob"]) {
    const answer = await mutate(tokenDocument, { name, roles: ["viewer", approverRole] });
    expect(answer).toEqual({ token: expect.any(String) });
    tokens.push((answer as { token: string }).token);
  }
  return tokens;
}
