import type { Json, JsonObject } from "../../core/json.ts";
import { limits } from "../../core/limits.ts";
import type { Adapter, AdapterCall, AdapterRequest, AdapterResult, CredentialParam } from "../adapter.ts";
import { failed } from "../vendor-answer.ts";
import { isAllTraffic, putIn, takeOut, undo } from "./aws-admission.ts";
import { openGroup } from "./aws-open-group.ts";
import { type Admission, readProtocol, readSource, ruleAsJson, ruleOfJson, trafficOf } from "./aws-rules.ts";
import { awsCode } from "./aws-sdk.ts";
import { explained, InvalidRequest, invalid, previewed, problemIn, readFlag, readInteger } from "./read-params.ts";

const credentials: readonly CredentialParam[] = [
  { name: "aws_access_key_id", isRequired: true, isSecret: true, description: "Access key of who asks." },
  {
    name: "aws_secret_access_key",
    isRequired: true,
    isSecret: true,
    description: "The secret key that belongs to it.",
  },
  {
    name: "aws_session_token",
    isRequired: false,
    isSecret: true,
    description: "Where the access key is a temporary one.",
  },
  {
    name: "aws_security_group_id",
    isRequired: true,
    isSecret: false,
    description: "The group whose ingress rules are changed, e.g. sg-0123456789abcdef0.",
  },
  {
    name: "aws_region",
    isRequired: false,
    isSecret: false,
    description: "Where the group is; us-east-1 where left out.",
  },
  { name: "aws_role_arn", isRequired: false, isSecret: false, description: "A role that is assumed for the call." },
  { name: "aws_external_id", isRequired: false, isSecret: true, description: "What the role's trust policy asks for." },
  {
    name: "aws_session_name",
    isRequired: false,
    isSecret: false,
    description: "What CloudTrail shows of the session; riposte where left out.",
  },
  {
    name: "aws_endpoint_url",
    isRequired: false,
    isSecret: false,
    description: "Another server than AWS's own, for EC2 and STS.",
  },
];

/**
 * Keeps an address or network out of a security group.
 *
 * A security group only lists what is let in: it has no rule that denies. So blocking is revoking the rules that let in nothing but the
 * target, and it fails with `still_admitted` where a broader rule (a wider network, more ports, a prefix list) lets it in nevertheless.
 * A group that other means use as a list of what they deny is marked by `aws_group_is_blocklist: true`; there, blocking adds the rule.
 * @see "Security group rules" and "Security group connection tracking" in the Amazon VPC and EC2 user guides, 2026-11.
 */
export const blockIp: Adapter = {
  vendorId: "aws_security_groups",
  capability: "block_ip",
  description:
    "Revokes the ingress rules of one security group that admit the address or network (target: an address or CIDR), and fails with still_admitted where a broader rule still admits it. Connections that are open go on until they end.",
  credentials,
  impact: "HIGH",
  reversedBy: "allow_ip",
  isIdempotent: true,
  timeoutMs: 60_000,
  check: (request) => problemIn(() => readRequest(request)),
  preview: (request) => previewed(() => previewOf(request, "block")),
  execute: (call) => explained(() => change(call, "block")),
  rollback: (call, details) => explained(() => rollback(call, details)),
};

/** The opposite of {@link blockIp}: adds the rule, or takes it off a group that is used as a block list. */
export const allowIp: Adapter = {
  vendorId: "aws_security_groups",
  capability: "allow_ip",
  description:
    "Adds an ingress rule for the address or network (target: an address or CIDR) to one security group. It admits all traffic unless protocol and port say less; a rollback of block_ip restores the very rules instead.",
  credentials,
  impact: "MODERATE",
  reversedBy: "block_ip",
  isIdempotent: true,
  timeoutMs: 60_000,
  check: (request) => problemIn(() => readRequest(request)),
  preview: (request) => previewed(() => previewOf(request, "allow")),
  execute: (call) => explained(() => change(call, "allow")),
  rollback: (call, details) => explained(() => rollback(call, details)),
};

export const awsSecurityGroups: readonly Adapter[] = [blockIp, allowIp];

type Verb = "block" | "allow";

interface Wanted extends Admission {
  readonly isBlocklist: boolean;
  readonly port: number;
}

/** @throws InvalidRequest */
function readRequest({ target, params }: AdapterRequest): Wanted {
  const source = readSource(target);
  if (!source) {
    throw new InvalidRequest(
      "invalid_target",
      "The target is to be an IPv4 or IPv6 address, or a network in CIDR form, e.g. 203.0.113.7 or 203.0.113.0/24.",
    );
  }
  const given = params["protocol"] ?? "-1";
  const protocol = typeof given === "string" || typeof given === "number" ? readProtocol(given) : undefined;
  if (protocol === undefined)
    throw invalid("`protocol` is to be tcp, udp, icmp, icmpv6, -1 (all), or a number to 255.");
  const port = readInteger(params, "port", { min: -1, max: 65_535, otherwise: -1 });
  if (port >= 0 && protocol !== "tcp" && protocol !== "udp") {
    throw invalid("`port` goes with `protocol` tcp or udp only. Name one of them, or leave `port` out.");
  }
  const isBlocklist = readFlag(params, "aws_group_is_blocklist", false);
  return { source, traffic: trafficOf(protocol, port), isBlocklist, port };
}

/** Whether it is done by adding a rule: never to block, unless the group is a block list. */
function isAdding(verb: Verb, isBlocklist: boolean): boolean {
  return verb === "block" ? isBlocklist : !isBlocklist;
}

function previewOf(request: AdapterRequest, verb: Verb): JsonObject {
  const wanted = readRequest(request);
  const { source, isBlocklist } = wanted;
  const adds = `An ingress rule for ${source.cidr} would be added.`;
  const revokes = `The ingress rules that hold for ${source.cidr} and nothing else would be revoked.`;
  return { ...about(request, wanted), change: isAdding(verb, isBlocklist) ? adds : revokes };
}

function about({ target }: AdapterRequest, { source, traffic, isBlocklist, port }: Wanted): JsonObject {
  return { ip: target, cidr: source.cidr, protocol: traffic.protocol, port, group_is_blocklist: isBlocklist };
}

async function change(call: AdapterCall, verb: Verb): Promise<AdapterResult> {
  try {
    const wanted = readRequest(call);
    const opened = await openGroup(call);
    const details = { ...about(call, wanted), sg_id: opened.groupId, region: opened.region };
    const changing = { call, verb, wanted, opened, details };
    return await (isAdding(verb, wanted.isBlocklist) ? add(changing) : revoke(changing));
  } catch (error) {
    return failureFor(error, call);
  }
}

interface Changing {
  readonly call: AdapterCall;
  readonly verb: Verb;
  readonly wanted: Wanted;
  readonly opened: Awaited<ReturnType<typeof openGroup>>;
  readonly details: JsonObject;
}

async function add({ call, verb, wanted, opened, details }: Changing): Promise<AdapterResult> {
  const { cidr } = wanted.source;
  // Of the characters that a rule's description may have.
  const description = `riposte ${call.requestId.replace(/[^\w.-]/g, "_")}`.slice(0, 255);
  const added = await putIn(opened.group, { ...wanted, description });
  const isOpen = verb === "allow" && isAllTraffic(wanted.traffic);
  return {
    status: "SUCCEEDED",
    summary: added
      ? `${cidr} is ${verb === "block" ? "on the block list" : "admitted by"} ${opened.groupId}.`
      : `${opened.groupId} had the rule for ${cidr} already.`,
    details: { success: true, ...details, added: added ? [ruleAsJson(added)] : [], revoked: [], already: !added },
    ...(isOpen && { warnings: ["The rule admits all traffic. Give `protocol` and `port` to admit less."] }),
  };
}

async function revoke({ call, verb, wanted, opened, details }: Changing): Promise<AdapterResult> {
  const { cidr } = wanted.source;
  const { groupId, group } = opened;
  const taken = await takeOut({ group, wanted, http: call.http });
  const { revoked, left, isConfirmed, warnings } = taken;
  const changes = { ...details, revoked: revoked.map(ruleAsJson), added: [], already: revoked.length === 0 };
  if (taken.problem !== undefined) {
    const summary = `Only some of the rules for ${cidr} were revoked in ${groupId}: ${taken.problem}`;
    const result = failed("not_all_revoked", summary, { success: false, ...changes, message: taken.problem });
    return { ...result, isPartial: true };
  }
  if (left.length > 0) {
    const error = verb === "block" ? "still_admitted" : "still_blocked";
    const names = left.map(({ id }) => id).join(", ");
    const summary = `${cidr} is still ${verb === "block" ? "admitted" : "blocked"} by ${groupId}: broader rules hold for it too (${names}).`;
    const rules = left.map(ruleAsJson);
    const result = failed(error, summary, { success: false, ...changes, [error]: rules, warnings });
    return { ...result, isPartial: revoked.length > 0 };
  }
  const rules = revoked.length === 1 ? "1 rule" : `${revoked.length} rules`;
  return {
    status: "SUCCEEDED",
    summary:
      revoked.length === 0 ? `${groupId} had no rule for ${cidr}.` : `${rules} for ${cidr} revoked in ${groupId}.`,
    details: { success: true, ...changes },
    completion: isConfirmed ? "confirmed" : "accepted",
    warnings,
  };
}

/** Adds the very rules again that the call revoked, and revokes the very one that it added, in the group and region of then. */
async function rollback(call: AdapterCall, details: JsonObject): Promise<AdapterResult> {
  const { sg_id: groupId, region } = details;
  const revoked = rulesIn(details["revoked"]);
  const added = rulesIn(details["added"]);
  if (typeof groupId !== "string" || typeof region !== "string" || !revoked || !added) {
    return failed("nothing_kept", "The details of the call do not say which rules it changed.");
  }
  try {
    const { group } = await openGroup(call, { groupId, region });
    const { restored, removed } = await undo(group, { revoked, added });
    return {
      status: "SUCCEEDED",
      summary: `${groupId}: rules restored: ${restored.length} of ${revoked.length}, taken back: ${removed.length} of ${added.length}; the others were so already.`,
      details: { sg_id: groupId, region, restored: restored.map(ruleAsJson), removed: removed.map(ruleAsJson) },
    };
  } catch (error) {
    return failureFor(error, call);
  }
}

function rulesIn(value: Json | undefined) {
  if (!Array.isArray(value)) return undefined;
  const rules = value.map(ruleOfJson);
  return rules.every((rule) => rule !== undefined) ? rules : undefined;
}

function failureFor(error: unknown, call: AdapterCall): AdapterResult {
  const code = awsCode(error);
  if (code !== "InvalidGroup.NotFound" && code !== "InvalidGroupId.Malformed") throw error;
  const groupId = (call.credentials["aws_security_group_id"] ?? "").slice(0, limits.nameLengthMax);
  const summary = `There is no security group ${groupId} in the region. Check aws_security_group_id and aws_region.`;
  return failed("group_not_found", summary, { sg_id: groupId });
}
