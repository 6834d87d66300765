import { isJsonObject, type Json, type JsonObject } from "../../core/json.ts";
import { isWithin, type Network, parseNetwork } from "../../executors/address.ts";

/** An address or a network as a rule of a security group names it. */
export interface Source {
  /** In AWS's own form: the network's first address and its prefix, e.g. `203.0.113.7/32`. */
  readonly cidr: string;
  readonly network: Network;
}

/** What is let in from a source. Ports are undefined where the protocol has none; for ICMP they are its type and code. */
export interface Traffic {
  /** `-1` (all), `tcp`, `udp`, `icmp`, `icmpv6`, or the number of another protocol. */
  readonly protocol: string;
  readonly fromPort?: number | undefined;
  readonly toPort?: number | undefined;
}

/** An ingress rule of a security group. Exactly one of `source`, `prefixListId` and `groupId` is there. */
export interface Rule extends Traffic {
  readonly id: string;
  readonly source?: Source | undefined;
  readonly prefixListId?: string | undefined;
  readonly groupId?: string | undefined;
  readonly description?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** What is to be let in or kept out. */
export interface Admission {
  readonly source: Source;
  readonly traffic: Traffic;
}

/**
 * Reads a single address, or a network in CIDR form; undefined where it is neither. Host bits are dropped, as AWS does itself, and an
 * IPv4 address that is written as IPv6 (`::ffff:203.0.113.7`) is the IPv4 address: a rule for the other form would match nothing.
 * @see API_SecurityGroupRuleRequest in the EC2 API reference ("canonicalizes IPv4 and IPv6 CIDRs"), 2026-11.
 */
export function readSource(text: string): Source | undefined {
  const plain = text.trim();
  // Without brackets and zones, which the parser of addresses would take.
  const network = /^[0-9a-f:.]+(\/\d{1,3})?$/i.test(plain) ? parseNetwork(plain) : undefined;
  if (!network) return undefined;
  const { address, bits } = unmapped(network);
  const first = address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - index * 8))) & 0xff);
  return { cidr: `${addressText(first)}/${bits}`, network: { address: first, bits } };
}

function unmapped({ address, bits }: Network): Network {
  const isMapped = address.length === 16 && bits >= 96 && isWithin(address, mapped);
  return isMapped ? { address: address.slice(12), bits: bits - 96 } : { address, bits };
}

const mapped: Network = { address: [...new Array<number>(10).fill(0), 255, 255, 0, 0, 0, 0], bits: 96 };

function addressText(address: readonly number[]): string {
  if (address.length === 4) return address.join(".");
  const groups = address.flatMap((byte, index) =>
    index % 2 ? [] : [((byte << 8) | (address[index + 1] ?? 0)).toString(16)],
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

const protocolNames: Readonly<Record<string, string>> = {
  all: "-1",
  "1": "icmp",
  "6": "tcp",
  "17": "udp",
  "58": "icmpv6",
};

/** A protocol in one spelling: names for the four that AWS knows by name. Undefined for what is none. */
export function readProtocol(value: string | number): string | undefined {
  const text = String(value).trim().toLowerCase();
  const name = protocolNames[text] ?? text;
  const isNumber = /^\d{1,3}$/.test(name) && Number(name) <= 255;
  return isNumber || ["-1", "tcp", "udp", "icmp", "icmpv6"].includes(name) ? name : undefined;
}

/** All that a protocol has, or one port of it (tcp and udp). */
export function trafficOf(protocol: string, port: number): Traffic {
  if (protocol === "tcp" || protocol === "udp") {
    return port < 0 ? { protocol, fromPort: 0, toPort: 65_535 } : { protocol, fromPort: port, toPort: port };
  }
  return protocol.startsWith("icmp") ? { protocol, fromPort: -1, toPort: -1 } : { protocol };
}

/** How a rule lies to an admission: it admits nothing but that, part of that and more besides, or none of it. */
export type Relation = "inside" | "across" | "apart";

/** @param sources What the rule lets in, where that is not in the rule itself: the networks of its prefix list. */
export function relationOf(rule: Rule, to: Admission, sources?: readonly Source[]): Relation {
  if (!meets(rule, to.traffic)) return "apart";
  if (sources) return sources.some((source) => touches(source.network, to.source.network)) ? "across" : "apart";
  if (!rule.source || !touches(rule.source.network, to.source.network)) return "apart";
  return isPartOf(rule.source.network, to.source.network) && covers(to.traffic, rule) ? "inside" : "across";
}

function isPartOf(network: Network, of: Network): boolean {
  return network.bits >= of.bits && isWithin(network.address, of);
}

function touches(one: Network, other: Network): boolean {
  return isPartOf(one, other) || isPartOf(other, one);
}

/** True where all of the one is also the other's. */
function covers(wide: Traffic, narrow: Traffic): boolean {
  if (wide.protocol === "-1") return true;
  if (wide.protocol !== narrow.protocol) return false;
  if (wide.protocol.startsWith("icmp")) {
    return (
      isAny(wide.fromPort) ||
      (wide.fromPort === narrow.fromPort && (isAny(wide.toPort) || wide.toPort === narrow.toPort))
    );
  }
  return startOf(wide) <= startOf(narrow) && endOf(wide) >= endOf(narrow);
}

/** True where there is something that is both. */
function meets(one: Traffic, other: Traffic): boolean {
  if (one.protocol === "-1" || other.protocol === "-1") return true;
  if (one.protocol !== other.protocol) return false;
  if (one.protocol.startsWith("icmp")) {
    return agree(one.fromPort, other.fromPort) && agree(one.toPort, other.toPort);
  }
  return startOf(one) <= endOf(other) && startOf(other) <= endOf(one);
}

function isAny(number: number | undefined): boolean {
  return number === undefined || number < 0;
}

function agree(one: number | undefined, other: number | undefined): boolean {
  return isAny(one) || isAny(other) || one === other;
}

function startOf({ fromPort }: Traffic): number {
  return fromPort === undefined || fromPort < 0 ? 0 : fromPort;
}

function endOf({ toPort }: Traffic): number {
  return toPort === undefined || toPort < 0 ? 65_535 : toPort;
}

/** A rule as the details of a result keep it: all that is needed to add it again as it was. */
export function ruleAsJson(rule: Rule): JsonObject {
  return {
    rule_id: rule.id,
    protocol: rule.protocol,
    ...(rule.fromPort !== undefined && { from_port: rule.fromPort }),
    ...(rule.toPort !== undefined && { to_port: rule.toPort }),
    ...(rule.source && { cidr: rule.source.cidr }),
    ...(rule.prefixListId !== undefined && { prefix_list_id: rule.prefixListId }),
    ...(rule.groupId !== undefined && { group_id: rule.groupId }),
    ...(rule.description !== undefined && { description: rule.description }),
    ...(Object.keys(rule.tags).length > 0 && { tags: rule.tags }),
  };
}

/** Reads what {@link ruleAsJson} wrote; undefined for anything else. */
export function ruleOfJson(value: Json): Rule | undefined {
  if (!isJsonObject(value)) return undefined;
  const { rule_id: id, protocol, cidr, from_port: fromPort, to_port: toPort, description, tags } = value;
  const source = typeof cidr === "string" ? readSource(cidr) : undefined;
  if (typeof id !== "string" || typeof protocol !== "string" || !source) return undefined;
  return {
    id,
    protocol,
    source,
    fromPort: typeof fromPort === "number" ? fromPort : undefined,
    toPort: typeof toPort === "number" ? toPort : undefined,
    description: typeof description === "string" ? description : undefined,
    tags: isJsonObject(tags) ? Object.fromEntries(Object.entries(tags).map(([key, text]) => [key, String(text)])) : {},
  };
}
