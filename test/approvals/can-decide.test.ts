import { describe, expect, test } from "vitest";
import { approversText, isApprover, mayDecide } from "../../src/approvals/can-decide.ts";

const alice = { actor: { kind: "TOKEN", id: "a", name: "alice" }, roles: ["operator", "security_lead"] } as const;
const lead = [{ role: "security_lead" }];
const strict = { allowSelfApproval: false };

describe("a request can be decided by", () => {
  test.each([
    ["who has the role", lead],
    ["who is the one named", [{ user: "alice" }]],
    ["who is one of several", [{ user: "bob" }, { role: "nobody" }, { role: "operator" }]],
  ])("%s", (_who, approvers) => {
    expect(mayDecide(alice, { approvers, requesterId: "b" }, strict)).toBe("yes");
    expect(mayDecide(alice, { approvers, requesterId: null }, strict)).toBe("yes");
  });

  test.each([
    ["who has another role", [{ role: "ciso" }]],
    ["who is called like the role", [{ role: "alice" }]],
    ["who has a role that is called like the user", [{ user: "security_lead" }]],
  ])("not %s", (_who, approvers) => {
    expect(mayDecide(alice, { approvers, requesterId: null }, { allowSelfApproval: true })).toBe("not_an_approver");
    expect(isApprover(alice, { approvers })).toBe(false);
  });

  test("a person as by a token, and never an agent", () => {
    const approvers = [{ role: "agent" }, { user: "alice" }];
    const any = { approvers, requesterId: null };
    expect(mayDecide({ ...alice, actor: { ...alice.actor, kind: "MEMBER" } }, any, strict)).toBe("yes");
    const agent = { actor: { ...alice.actor, kind: "AGENT" }, roles: ["agent"] } as const;
    expect(mayDecide(agent, any, { allowSelfApproval: true })).toBe("not_an_approver");
  });

  test("who asked for it only where the tenant allows that", () => {
    const own = { approvers: lead, requesterId: "a" };
    expect(mayDecide(alice, own, strict)).toBe("own_request");
    expect(mayDecide(alice, own, { allowSelfApproval: true })).toBe("yes");
  });

  test("nobody by having no id, like a request that nobody made", () => {
    const { id: _id, ...actor } = alice.actor;
    expect(mayDecide({ ...alice, actor }, { approvers: lead, requesterId: null }, strict)).toBe("yes");
  });
});

test("those who may decide are named", () => {
  expect(approversText([{ role: "security_lead" }, { user: "alice" }])).toBe("role security_lead or user alice");
});
