import { BlockList, isIP } from "node:net";
import { limits } from "../core/limits.ts";
import { BoundedCache } from "./bounded-cache.ts";

/** An address, or a network in CIDR notation. */
export interface Network {
  readonly base: string;
  readonly family: "ipv4" | "ipv6";
  readonly prefix: number;
  readonly isAddress: boolean;
  /** Of IPv4: the base as a number. */
  readonly bits: number | undefined;
  readonly has: (base: string, family: "ipv4" | "ipv6") => boolean;
}

// The longest of both is an IPv6 network with an embedded IPv4 address: 45 + "/128".
const LENGTH_MAX = 49;
const LIKELY = /^[0-9a-fA-F:]/;

const networks = new BoundedCache<{ readonly network: Network | undefined }>(limits.parsedTextsKeptMax);

/** The address or network that a text is; undefined for every other text. */
export function readNetwork(text: string): Network | undefined {
  if (text.length > LENGTH_MAX || !LIKELY.test(text)) return undefined;
  return networks.get(text, (fresh) => ({ network: parseNetwork(fresh) })).network;
}

/**
 * Whether one address or network lies in the other: an address in a network (written on either side), a network within
 * a wider one, an address in itself however it is spelt. An IPv4-mapped IPv6 address counts as the IPv4 one.
 */
export function liesWithin(inner: Network, outer: Network): boolean {
  return outer.isAddress && !inner.isAddress ? holds(inner, outer) : holds(outer, inner);
}

function holds(wide: Network, small: Network): boolean {
  // Prefixes of different families can't be compared; of a mapped address, only membership can be told.
  if (wide.family === small.family ? small.prefix < wide.prefix : !small.isAddress) return false;
  if (wide.bits === undefined || small.bits === undefined) return wide.has(small.base, small.family);
  return wide.prefix === 0 || (wide.bits ^ small.bits) >>> (32 - wide.prefix) === 0;
}

function parseNetwork(text: string): Network | undefined {
  const [base = "", suffix, ...rest] = text.split("/");
  const version = isIP(base);
  // A zone (%eth0) is a matter of one host, and no network can hold it.
  if (version === 0 || base.includes("%") || rest.length > 0) return undefined;
  const length = version === 4 ? 32 : 128;
  if (suffix !== undefined && !/^\d{1,3}$/.test(suffix)) return undefined;
  const prefix = suffix === undefined ? length : Number(suffix);
  if (prefix > length) return undefined;
  const family = version === 4 ? "ipv4" : "ipv6";
  const bits = version === 4 ? base.split(".").reduce((sum, part) => sum * 256 + Number(part), 0) : undefined;
  return { base, family, prefix, isAddress: suffix === undefined, bits, has: membership(base, prefix, family) };
}

/** Made when it is first asked: most addresses are only ever looked for in something wider. */
function membership(base: string, prefix: number, family: "ipv4" | "ipv6"): Network["has"] {
  let members: BlockList | undefined;
  return (other, otherFamily) => {
    if (!members) {
      members = new BlockList();
      members.addSubnet(base, prefix, family);
    }
    return members.check(other, otherFamily);
  };
}
