import type { IpPermission, SecurityGroupRule } from "@aws-sdk/client-ec2";
import { limits } from "../../core/limits.ts";
import { type Rule, readProtocol, readSource, type Source, type Traffic } from "./aws-rules.ts";
import { type AwsAccess, type AwsCredentials, askAws, clientConfig, unreadable } from "./aws-sdk.ts";

/** What is asked of EC2 about one security group. */
export interface SecurityGroupApi {
  /** @throws VendorError `InvalidGroup.NotFound`, `InvalidGroupId.Malformed` */
  requireGroup(): Promise<void>;
  /** Every ingress rule, each with one source. */
  ingressRules(): Promise<readonly Rule[]>;
  /** The networks of a prefix list that a rule names. */
  prefixList(id: string): Promise<readonly Source[]>;
  /** @throws VendorError `InvalidSecurityGroupRuleId.NotFound` where one of them is gone; then none was revoked. */
  revoke(ruleIds: readonly string[]): Promise<void>;
  /** @throws VendorError `InvalidPermission.Duplicate` where there is such a rule. */
  authorize(rule: Omit<Rule, "id">): Promise<Rule>;
}

/** Loaded with the first call: the SDK takes half a second, which a start must not pay for. */
export async function openSecurityGroup(access: AwsAccess, groupId: string): Promise<SecurityGroupApi> {
  const sdk = await import("@aws-sdk/client-ec2");
  const client = new sdk.EC2Client(clientConfig(access));

  const ingressRules = (): Promise<readonly Rule[]> =>
    allPages(async (token) => {
      const command = new sdk.DescribeSecurityGroupRulesCommand({
        Filters: [{ Name: "group-id", Values: [groupId] }],
        MaxResults: limits.awsRulesPageMax,
        ...token,
      });
      const { SecurityGroupRules: page, NextToken: next } = await askAws(() => client.send(command));
      return { items: page?.filter((rule) => rule.IsEgress !== true).map(readRule), next };
    });

  const prefixList = (id: string): Promise<readonly Source[]> =>
    allPages(async (token) => {
      const command = new sdk.GetManagedPrefixListEntriesCommand({
        PrefixListId: id,
        MaxResults: limits.awsEntriesPageMax,
        ...token,
      });
      const { Entries: page, NextToken: next } = await askAws(() => client.send(command));
      return { items: page?.flatMap(({ Cidr }) => readSource(Cidr ?? "") ?? []), next };
    });

  return {
    requireGroup: async () => {
      const command = new sdk.DescribeSecurityGroupsCommand({ GroupIds: [groupId] });
      const answer = await askAws(() => client.send(command));
      if (answer.SecurityGroups?.[0]?.GroupId !== groupId) throw unreadable();
    },
    ingressRules,
    prefixList,
    revoke: async (ruleIds) => {
      const command = new sdk.RevokeSecurityGroupIngressCommand({
        GroupId: groupId,
        SecurityGroupRuleIds: [...ruleIds],
      });
      const answer = await askAws(() => client.send(command));
      if (answer.Return !== true) throw unreadable();
    },
    authorize: async (rule) => {
      const tags = Object.entries(rule.tags).map(([Key, Value]) => ({ Key, Value }));
      const command = new sdk.AuthorizeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpPermissions: [permissionOf(rule)],
        ...(tags.length > 0 && { TagSpecifications: [{ ResourceType: "security-group-rule", Tags: tags }] }),
      });
      const answer = await askAws(() => client.send(command));
      const [added] = answer.SecurityGroupRules ?? [];
      if (answer.Return !== true || !added) throw unreadable();
      return { ...readRule(added), tags: rule.tags };
    },
  };
}

/**
 * Credentials of a role for a quarter of an hour, the shortest that AWS gives: one dispatch uses them.
 * @see API_AssumeRole in the STS API reference, 2026-11.
 */
export async function assumeRole(access: AwsAccess, role: Role): Promise<AwsCredentials> {
  const sdk = await import("@aws-sdk/client-sts");
  const client = new sdk.STSClient(clientConfig(access));
  const command = new sdk.AssumeRoleCommand({
    RoleArn: role.arn,
    RoleSessionName: role.sessionName,
    DurationSeconds: 900,
    ...(role.externalId !== undefined && { ExternalId: role.externalId }),
  });
  const { Credentials: given } = await askAws(() => client.send(command));
  if (!given?.AccessKeyId || !given.SecretAccessKey || !given.SessionToken) throw unreadable();
  return {
    accessKeyId: given.AccessKeyId,
    secretAccessKey: given.SecretAccessKey,
    sessionToken: given.SessionToken,
  };
}

interface Page<Item> {
  readonly items: readonly Item[] | undefined;
  readonly next: string | undefined;
}

/** All pages or none: a rule that was not seen could be the one that lets an attacker in. */
async function allPages<Item>(ask: (token: { NextToken?: string }) => Promise<Page<Item>>): Promise<readonly Item[]> {
  const found: Item[] = [];
  let next: string | undefined;
  for (let page = 0; page < limits.awsPagesMax; page++) {
    const answer = await ask(next === undefined ? {} : { NextToken: next });
    if (!answer.items) throw unreadable();
    found.push(...answer.items);
    next = answer.next || undefined;
    if (next === undefined) return found;
  }
  throw unreadable();
}

export interface Role {
  readonly arn: string;
  /** 2 to 64 of letters, digits and `_=,.@-`; CloudTrail shows it. */
  readonly sessionName: string;
  readonly externalId?: string | undefined;
}

function readRule(rule: SecurityGroupRule): Rule {
  const { SecurityGroupRuleId: id, IpProtocol: protocol } = rule;
  if (id === undefined || protocol === undefined) throw unreadable();
  const source = readSource(rule.CidrIpv4 ?? rule.CidrIpv6 ?? "");
  return {
    id,
    source,
    prefixListId: rule.PrefixListId,
    groupId: rule.ReferencedGroupInfo?.GroupId,
    ...portsOf(readProtocol(protocol) ?? protocol, rule),
    description: rule.Description,
    tags: Object.fromEntries((rule.Tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""])),
  };
}

/** AWS answers -1 for the ports of a protocol that has none. */
function portsOf(protocol: string, { FromPort, ToPort }: SecurityGroupRule): Traffic {
  const hasPorts = protocol === "tcp" || protocol === "udp" || protocol.startsWith("icmp");
  return hasPorts ? { protocol, fromPort: FromPort, toPort: ToPort } : { protocol };
}

function permissionOf({ protocol, fromPort, toPort, source, description }: Omit<Rule, "id">): IpPermission {
  const cidr = source?.cidr ?? "";
  const about = description === undefined ? {} : { Description: description };
  return {
    IpProtocol: protocol,
    ...(fromPort !== undefined && { FromPort: fromPort }),
    ...(toPort !== undefined && { ToPort: toPort }),
    ...(cidr.includes(":")
      ? { Ipv6Ranges: [{ CidrIpv6: cidr, ...about }] }
      : { IpRanges: [{ CidrIp: cidr, ...about }] }),
  };
}
