import { lookup } from "node:dns/promises";
import { domainToASCII } from "node:url";
import { DomainFailure } from "../core/failures.ts";
import { type Address, isWithin, known, meanings, type Network, parseAddress, parseNetwork } from "./address.ts";

/** An outbound connection that the policy does not allow. Nothing was sent. */
export class EgressRefused extends DomainFailure {
  constructor(message: string) {
    super("egress_refused", message);
  }
}

/** Answers every address of a host name, as text. Rejects as `dns.lookup` does. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/**
 * What may be connected to. Entries of the lists are host names (`*.example.com` for all below), addresses or networks (CIDR), and
 * count for every port unless they end in one (`127.0.0.1:4199`, `[::1]:4199`).
 * `deny` is stronger than `allow`; what is in neither is allowed, save for the special addresses.
 */
export interface EgressRules {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** Whether private ranges that `allow` does not name may be reached. */
  readonly private: "allow" | "deny";
  /** Where the server's own database listens, when that is a host and a port. */
  readonly databaseAddress?: { readonly host: string; readonly port: number } | undefined;
  readonly resolve?: Resolve | undefined;
}

export interface EgressPolicy {
  /**
   * Resolves a host and checks every address of the answer; connect to one of these, and to nothing else.
   * @param host A host name or literal address, as `URL.hostname` has it (so decimal, hex, octal and short forms are read already).
   * @throws EgressRefused when the name or one of its addresses is not allowed. What the resolver rejects with passes through.
   */
  resolve(host: string, port: number): Promise<readonly string[]>;
  /** Checks the address that a socket says it is connected to. @throws EgressRefused */
  checkConnected(host: string, address: string | undefined, port: number): Promise<void>;
}

/** Never reachable, whatever is configured: nothing there is anybody's service, and the metadata services hand out credentials. */
const refusedNetworks: readonly (readonly [name: string, networks: readonly Network[]])[] = [
  ["a link-local address", ["169.254.0.0/16", "fe80::/10"].map(known)],
  [
    "a cloud metadata address",
    // AWS (IPv6), Google (IPv6), Alibaba, Oracle, Azure: as their documentation of the instance metadata service states, 2026-11.
    ["fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"].map(known),
  ],
  ["an unspecified address", ["0.0.0.0/8", "::/128"].map(known)],
  ["a multicast, broadcast or reserved address", ["224.0.0.0/4", "240.0.0.0/4", "ff00::/8"].map(known)],
  ["an address of a tunnel", ["2001::/32", "64:ff9b:1::/48"].map(known)],
];
const refusedNames = [
  "metadata.google.internal",
  "metadata.goog",
  "metadata",
  "instance-data",
  "instance-data.ec2.internal",
];
const loopback = ["127.0.0.0/8", "::1"].map(known);
const privateNetworks = [
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "192.0.0.0/24"],
  ...["fc00::/7", "fec0::/10"],
].map(known);

interface List {
  readonly networks: readonly Network[];
  readonly names: readonly string[];
}

/** The entries of a list that count for a port. */
type ListAt = (port: number) => List;

/**
 * The egress policy of this server. Loopback is reached only where `allow` names it (by address, network, or a `localhost` name: any
 * other name could be pointed there by whoever holds its zone), and so is the database.
 * @throws Error when an entry of a list is neither a host name, an address nor a network.
 */
export function createEgressPolicy(rules: EgressRules): EgressPolicy {
  const allow = readList(rules.allow);
  const deny = readList(rules.deny);
  const resolve = rules.resolve ?? systemResolve;

  async function check(host: string, addresses: readonly string[], port: number): Promise<void> {
    const database = await databaseAddresses(port);
    const allowed = allow(port);
    for (const text of addresses) {
      const address = parseAddress(text);
      if (!address) throw refusal(host, "its address cannot be read");
      for (const meaning of meanings(address)) {
        const reason = reasonAgainst(host, meaning, { allowed, denied: deny(port) });
        if (reason) throw refusal(host, reason);
        const isDatabase = database.some((own) => isWithin(meaning, { address: own, bits: own.length * 8 }));
        if (isDatabase && !inNetworks(meaning, allowed.networks) && !hasName(host, allowed.names)) {
          throw refusal(host, "it is the database of this server");
        }
      }
    }
  }

  function reasonAgainst(host: string, address: Address, lists: { allowed: List; denied: List }): string | undefined {
    const { allowed, denied } = lists;
    const special = refusedNetworks.find(([, networks]) => inNetworks(address, networks));
    if (special) return `it leads to ${special[0]}`;
    if (inNetworks(address, denied.networks)) return "EGRESS_DENY names its address";
    const isAllowed = inNetworks(address, allowed.networks);
    const isAllowedByName = hasName(host, allowed.names);
    if (inNetworks(address, loopback) && !isAllowed && !(isAllowedByName && isLocalhost(host))) {
      return "it leads to a loopback address, which EGRESS_ALLOW does not name";
    }
    const isPrivate = inNetworks(address, privateNetworks);
    if (isPrivate && rules.private === "deny" && !isAllowed && !isAllowedByName) {
      return "it leads to a private address, which EGRESS_ALLOW does not name";
    }
    return undefined;
  }

  async function databaseAddresses(port: number): Promise<Address[]> {
    const database = rules.databaseAddress;
    if (!database || database.port !== port) return [];
    const texts = parseAddress(database.host) ? [database.host] : await resolve(database.host).catch(() => []);
    return texts.flatMap((text) => meanings(parseAddress(text) ?? [])).filter((address) => address.length > 0);
  }

  return {
    resolve: async (host, port) => {
      const name = plainName(host);
      if (hasName(name, refusedNames)) throw refusal(name, "it is a cloud metadata service");
      if (hasName(name, deny(port).names)) throw refusal(name, "EGRESS_DENY names it");
      const addresses = parseAddress(name) ? [name] : await resolve(name);
      await check(name, addresses, port);
      return addresses;
    },
    checkConnected: async (host, address, port) => {
      if (address === undefined) throw refusal(plainName(host), "its address is not known");
      await check(plainName(host), [address], port);
    },
  };
}

async function systemResolve(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  return found.map(({ address }) => address);
}

function refusal(host: string, reason: string): EgressRefused {
  return new EgressRefused(`A connection to ${host} is refused: ${reason}.`);
}

/** In lower case, without brackets and the root's dot, digits and letters of other scripts as what DNS would make of them. */
function plainName(host: string): string {
  const bare = host.replace(/^\[|\]$/g, "");
  if (parseAddress(bare)) return bare.toLowerCase();
  return (domainToASCII(bare) || bare).toLowerCase().replace(/\.+$/, "");
}

function readList(texts: readonly string[]): ListAt {
  const entries = texts
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map(readEntry);
  return (port) => {
    const counting = entries.filter((entry) => entry.port === undefined || entry.port === port);
    return {
      networks: counting.flatMap(({ network }) => (network ? [network] : [])),
      names: counting.flatMap(({ name }) => (name === undefined ? [] : [name])),
    };
  };
}

interface ListEntry {
  readonly network?: Network | undefined;
  readonly name?: string | undefined;
  readonly port?: number | undefined;
}

function readEntry(text: string): ListEntry {
  const whole = readHost(text);
  if (whole) return whole;
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const known = host === undefined ? undefined : readHost(host);
  // An IPv6 address before a port stands in brackets: without them nobody can tell where it ends.
  const isReadable = !host?.includes(":") || host.startsWith("[");
  if (!known || !isReadable || Number(port) > 65_535 || Number(port) === 0) {
    throw new Error(`${text} is neither a host name, an address nor a network, with or without a port.`);
  }
  return { ...known, port: Number(port) };
}

function readHost(text: string): ListEntry | undefined {
  const network = parseNetwork(text);
  if (network) return { network };
  return /^(\*?\.)?[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)*\.?$/u.test(text) ? { name: readName(text) } : undefined;
}

function readName(entry: string): string {
  const wildcard = /^\*?\./.exec(entry)?.[0];
  return wildcard ? `*.${plainName(entry.slice(wildcard.length))}` : plainName(entry);
}

function hasName(host: string, names: readonly string[]): boolean {
  return names.some((name) => (name.startsWith("*.") ? host.endsWith(name.slice(1)) : host === name));
}

function isLocalhost(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

function inNetworks(address: Address, networks: readonly Network[]): boolean {
  return networks.some((network) => isWithin(address, network));
}
