// EC2 and STS on loopback: one security group with rules, signatures that are checked byte for byte, answers in XML.
import assert from "node:assert/strict";
import { signatureProblem } from "./aws-signature.ts";
import { type Behaviour, type FakeAnswer, type FakeCall, startVendorFake, type VendorFake } from "./vendor-fake.ts";

export interface FakeRule {
  readonly id: string;
  readonly protocol: string;
  readonly fromPort?: number;
  readonly toPort?: number;
  readonly cidr?: string;
  readonly prefixList?: string;
  readonly group?: string;
  readonly description?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly isEgress?: boolean;
}

export interface AwsOptions {
  readonly rules: readonly FakeRule[];
  readonly prefixLists?: Readonly<Record<string, readonly string[]>>;
  /** Rules to a page. */
  readonly pageSize?: number;
  /** Rules that EC2 still shows for so many looks after they were revoked. */
  readonly staleLooks?: number;
  /** Rules that are shown, and that nobody can revoke any more. */
  readonly gone?: readonly string[];
  /** Rules that the caller may not revoke. */
  readonly kept?: readonly string[];
}

export interface AwsFake extends VendorFake {
  readonly rules: FakeRule[];
}

export const groupId = "sg-0123456789abcdef0";
export const region = "eu-central-1";
export const roleArn = "arn:aws:iam::123456789012:role/responder";
const keys = new Map([
  ["AKIAFAKEFAKEFAKE0001", { secret: "fake/secret+key/0001", token: undefined as string | undefined }],
]);

export async function startAwsFake(behaviour: Behaviour, options: AwsOptions): Promise<AwsFake> {
  const state: State = { ...options, rules: [...options.rules], shadows: [], next: 1, origin: "" };
  const fake = await startVendorFake({
    behaviour,
    credentials: (origin) => {
      state.origin = origin;
      return {
        aws_access_key_id: "AKIAFAKEFAKEFAKE0001",
        aws_secret_access_key: "fake/secret+key/0001",
        aws_security_group_id: groupId,
        aws_region: region,
        aws_endpoint_url: origin,
      };
    },
    routes: [{ method: "POST", path: /^\/$/, name: nameOf, answer: (call) => answer(call, state) }],
  });
  return Object.assign(fake, { rules: state.rules });
}

interface State extends AwsOptions {
  rules: FakeRule[];
  shadows: { rule: FakeRule; looks: number }[];
  next: number;
  origin: string;
}

function nameOf({ body }: Omit<FakeCall, "name">): string {
  const form = new URLSearchParams(body);
  return `${form.get("Version") === "2011-06-15" ? "STS" : "EC2"} ${form.get("Action")}`;
}

function answer(call: FakeCall, state: State): FakeAnswer {
  const form = new URLSearchParams(call.body);
  const service = call.name.startsWith("STS") ? "sts" : "ec2";
  const problem = signatureProblem(call, { host: new URL(state.origin).host, service, region, keys });
  if (problem !== undefined) return refusal(401, "AuthFailure", problem);
  if (service === "sts") return assumeRole(form);
  assert.equal(form.get("Version"), "2016-11-15");
  const action = actions[form.get("Action") ?? ""];
  assert.ok(action, `no action ${form.get("Action")}`);
  return action(form, state);
}

const actions: Readonly<Record<string, (form: URLSearchParams, state: State) => FakeAnswer>> = {
  DescribeSecurityGroups: (form) => {
    const id = form.get("GroupId.1");
    if (id !== groupId) return refusal(400, "InvalidGroup.NotFound", `The security group '${id}' does not exist`);
    return xml("DescribeSecurityGroups", `<securityGroupInfo><item>${tag("groupId", id)}</item></securityGroupInfo>`);
  },
  DescribeSecurityGroupRules: (form, state) => {
    assert.equal(form.get("Filter.1.Name"), "group-id");
    const mine = form.get("Filter.1.Value.1") === groupId;
    const shadows = state.shadows.filter((shadow) => shadow.looks-- > 0).map(({ rule }) => rule);
    const all = mine ? [...state.rules, ...shadows] : [];
    const from = Number(form.get("NextToken") ?? 0);
    const to = from + (state.pageSize ?? 1_000);
    const next = to < all.length ? tag("nextToken", String(to)) : "";
    return xml("DescribeSecurityGroupRules", `${ruleSet(all.slice(from, to))}${next}`);
  },
  GetManagedPrefixListEntries: (form, state) => {
    const entries = state.prefixLists?.[form.get("PrefixListId") ?? ""];
    if (!entries) return refusal(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    const items = entries.map((cidr) => `<item>${tag("cidr", cidr)}</item>`).join("");
    return xml("GetManagedPrefixListEntries", `<entrySet>${items}</entrySet>`);
  },
  RevokeSecurityGroupIngress: (form, state) => {
    assert.equal(form.get("GroupId"), groupId);
    const ids = numbered(form, "SecurityGroupRuleId");
    const isGone = (id: string) =>
      state.gone?.includes(id) || !state.rules.some((rule) => rule.id === id && !rule.isEgress);
    const missing = ids.find(isGone);
    if (missing !== undefined) {
      return refusal(
        400,
        "InvalidSecurityGroupRuleId.NotFound",
        `The security group rule ID '${missing}' does not exist`,
      );
    }
    if (ids.some((id) => state.kept?.includes(id))) return refusal(403, "UnauthorizedOperation", "Not yours.");
    for (const id of ids) {
      const [rule] = state.rules.splice(
        state.rules.findIndex((one) => one.id === id),
        1,
      );
      if (rule && state.staleLooks) state.shadows.push({ rule, looks: state.staleLooks });
    }
    return xml("RevokeSecurityGroupIngress", "<return>true</return>");
  },
  AuthorizeSecurityGroupIngress: (form, state) => {
    assert.equal(form.get("GroupId"), groupId);
    assert.equal(form.has("IpPermissions.2.IpProtocol"), false);
    const rule = ruleOf(form, `sgr-new${state.next++}`);
    const same = (other: FakeRule) => identityOf(other) === identityOf(rule);
    if (state.rules.some(same)) return refusal(400, "InvalidPermission.Duplicate", "the specified rule already exists");
    state.rules.push(rule);
    return xml("AuthorizeSecurityGroupIngress", `<return>true</return>${ruleSet([rule])}`);
  },
};

function identityOf({ protocol, fromPort, toPort, cidr, isEgress }: FakeRule): string {
  return [protocol, fromPort ?? -1, toPort ?? -1, cidr, isEgress === true].join(" ");
}

function ruleOf(form: URLSearchParams, id: string): FakeRule {
  const at = (name: string) => form.get(`IpPermissions.1.${name}`) ?? undefined;
  const cidr = at("IpRanges.1.CidrIp") ?? at("Ipv6Ranges.1.CidrIpv6");
  assert.ok(cidr, "a rule without a source");
  assert.equal(cidr.includes(":"), at("Ipv6Ranges.1.CidrIpv6") !== undefined);
  const description = at("IpRanges.1.Description") ?? at("Ipv6Ranges.1.Description");
  if (description !== undefined) assert.match(description, /^[a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!$*]{0,255}$/);
  const [fromPort, toPort] = [at("FromPort"), at("ToPort")];
  const tagged = numbered(form, "TagSpecification.1.Tag", ".Key").map((key, index): [string, string] => [
    key,
    form.get(`TagSpecification.1.Tag.${index + 1}.Value`) ?? "",
  ]);
  if (tagged.length > 0) assert.equal(form.get("TagSpecification.1.ResourceType"), "security-group-rule");
  return {
    id,
    protocol: at("IpProtocol") ?? "",
    cidr,
    ...(fromPort !== undefined && { fromPort: Number(fromPort) }),
    ...(toPort !== undefined && { toPort: Number(toPort) }),
    ...(description !== undefined && { description }),
    ...(tagged.length > 0 && { tags: Object.fromEntries(tagged) }),
  };
}

function numbered(form: URLSearchParams, name: string, suffix = ""): string[] {
  const found: string[] = [];
  for (let index = 1; ; index++) {
    const value = form.get(`${name}.${index}${suffix}`);
    if (value === null) return found;
    found.push(value);
  }
}

function assumeRole(form: URLSearchParams): FakeAnswer {
  assert.equal(form.get("RoleSessionName"), "riposte");
  if (form.get("RoleArn") !== roleArn || form.get("ExternalId") !== "external-7") {
    return refusal(403, "AccessDenied", "not authorized to perform: sts:AssumeRole");
  }
  const number = keys.size;
  const [id, secret, token] = [`ASIAFAKEFAKEFAKE000${number}`, `role/secret+${number}`, `role/token+${number}==`];
  keys.set(id, { secret, token });
  const expiry = new Date(Date.now() + 900_000).toISOString();
  const given = `${tag("AccessKeyId", id)}${tag("SecretAccessKey", secret)}${tag("SessionToken", token)}${tag("Expiration", expiry)}`;
  return xml("AssumeRole", `<AssumeRoleResult><Credentials>${given}</Credentials></AssumeRoleResult>`);
}

function ruleSet(rules: readonly FakeRule[]): string {
  const items = rules.map((rule) => {
    const v6 = rule.cidr?.includes(":");
    const tags = Object.entries(rule.tags ?? {}).map(
      ([key, value]) => `<item>${tag("key", key)}${tag("value", value)}</item>`,
    );
    return [
      tag("securityGroupRuleId", rule.id),
      tag("groupId", groupId),
      tag("isEgress", String(rule.isEgress === true)),
      tag("ipProtocol", rule.protocol),
      tag("fromPort", String(rule.fromPort ?? -1)),
      tag("toPort", String(rule.toPort ?? -1)),
      tag(v6 ? "cidrIpv6" : "cidrIpv4", rule.cidr),
      tag("prefixListId", rule.prefixList),
      rule.group === undefined ? "" : `<referencedGroupInfo>${tag("groupId", rule.group)}</referencedGroupInfo>`,
      tag("description", rule.description),
      `<tagSet>${tags.join("")}</tagSet>`,
    ].join("");
  });
  return `<securityGroupRuleSet>${items.map((item) => `<item>${item}</item>`).join("")}</securityGroupRuleSet>`;
}

function tag(name: string, value: string | undefined): string {
  if (value === undefined) return "";
  const escaped = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<${name}>${escaped}</${name}>`;
}

function xml(action: string, inner: string): FakeAnswer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<${action}Response xmlns="http://aws.example/">${inner}</${action}Response>`;
  return { text, headers: { "content-type": "text/xml;charset=UTF-8" } };
}

function refusal(status: number, code: string, message: string): FakeAnswer {
  const error = `<Error>${tag("Code", code)}${tag("Message", message)}</Error>`;
  // EC2 wraps the error in a list, STS in the answer itself; the SDK looks into both.
  const text = `<Response><Errors>${error}</Errors>${error}<RequestID>1</RequestID></Response>`;
  return { status, text, headers: { "content-type": "text/xml;charset=UTF-8" } };
}
