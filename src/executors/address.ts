import { isIPv4, isIPv6 } from "node:net";

/** An IP address as its 4 or 16 bytes. */
export type Address = readonly number[];

/** An address and the number of its leading bits that count. */
export interface Network {
  readonly address: Address;
  readonly bits: number;
}

/** Reads an address as `net` and DNS write it (a zone such as `%eth0` is dropped); undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const plain = text.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  if (isIPv4(plain)) return plain.split(".").map(Number);
  if (!isIPv6(plain)) return undefined;
  const [head = "", tail] = plain.replace(/[^:]+\.[^:]+$/, ipv4AsGroups).split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255]);
}

/** Reads `10.0.0.0/8`, `fc00::/7` or a single address; undefined when it is neither. */
export function parseNetwork(text: string): Network | undefined {
  const [base = "", length, ...more] = text.split("/");
  const address = parseAddress(base);
  if (!address || more.length > 0) return undefined;
  const bitsMax = address.length * 8;
  if (length === undefined) return { address, bits: bitsMax };
  const bits = /^\d{1,3}$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY;
  return bits <= bitsMax ? { address, bits } : undefined;
}

/** True when the address lies in the network; addresses of the other family never do. */
export function isWithin(address: Address, network: Network): boolean {
  if (address.length !== network.address.length) return false;
  return address.every((byte, index) => {
    const bits = Math.min(8, Math.max(0, network.bits - index * 8));
    return byte >> (8 - bits) === (network.address[index] ?? 0) >> (8 - bits);
  });
}

/** Prefixes whose addresses carry an IPv4 address, and where: a gateway or the kernel delivers to that one. */
const carriers: readonly { readonly network: Network; readonly at: number }[] = [
  { network: known("::ffff:0:0/96"), at: 12 }, // IPv4-mapped, RFC 4291
  { network: known("::ffff:0:0:0/96"), at: 12 }, // IPv4-translated, RFC 2765
  { network: known("64:ff9b::/96"), at: 12 }, // NAT64, RFC 6052
  { network: known("2002::/16"), at: 2 }, // 6to4, RFC 3056
];

const compatible = known("::/96");

/** The address and, where it carries an IPv4 address within, that one too: all of them have to be allowed. */
export function meanings(address: Address): Address[] {
  const found: Address[] = [address];
  if (address.length !== 16) return found;
  for (const { network, at } of carriers) if (isWithin(address, network)) found.push(address.slice(at, at + 4));
  // IPv4-compatible, RFC 4291; ::1 and :: are not, though they have the prefix.
  if (isWithin(address, compatible) && address[12] !== 0) found.push(address.slice(12));
  // ISATAP, RFC 5214: the interface identifier is 0000:5efe or 0200:5efe and then the IPv4 address.
  if ((address[8] ?? 0) <= 2 && address[9] === 0 && address[10] === 0x5e && address[11] === 0xfe)
    found.push(address.slice(12));
  return found;
}

/** A network that is written in our own source. */
export function known(text: string): Network {
  const network = parseNetwork(text);
  if (!network) throw new Error(`${text} is no network.`);
  return network;
}

function groupsOf(text: string): number[] {
  return text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
}

function ipv4AsGroups(text: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
