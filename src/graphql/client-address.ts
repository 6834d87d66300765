import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

/** Where a request comes from: what its failed sign-ins count for. An IPv6 address stands for its /64, which is one customer's. */
export type AddressOf = (request: IncomingMessage) => string;

/**
 * The peer's address, or, where that is one of the proxies, the last one of `X-Forwarded-For` that is none: what stands before it anybody
 * can write there.
 * @param proxies Addresses and CIDRs. @throws Error for what is neither.
 */
export function createAddressOf(proxies: readonly string[]): AddressOf {
  const trusted = new BlockList();
  for (const proxy of proxies) {
    const [address = "", prefix, ...rest] = proxy.split("/");
    const family = familyOf(address);
    const bits = family === "ipv4" ? 32 : 128;
    if (!family || rest.length > 0 || !/^\d{1,3}$/.test(prefix ?? "0") || Number(prefix ?? 0) > bits) {
      throw new Error("TRUSTED_PROXIES is a list of addresses and networks, such as 10.0.0.0/8.");
    }
    trusted.addSubnet(address, Number(prefix ?? bits), family);
  }
  const isTrusted = (address: string) => {
    const family = familyOf(address);
    return family !== undefined && trusted.check(address, family);
  };
  return (request) => {
    let address = plain(request.socket.remoteAddress ?? "");
    if (proxies.length === 0) return grouped(address);
    const forwarded = String(request.headers["x-forwarded-for"] ?? "").split(",");
    while (isTrusted(address)) {
      const before = plain(forwarded.pop()?.trim() ?? "");
      if (!familyOf(before)) break;
      address = before;
    }
    return grouped(address);
  };
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 4 ? "ipv4" : version === 6 ? "ipv6" : undefined;
}

/** An IPv4 address that came in over an IPv6 socket is that address. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function grouped(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::");
  const before = head.split(":").filter((group) => group !== "");
  const after = (tail ?? "").split(":").filter((group) => group !== "");
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  return [...before, ...zeros, ...after]
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":");
}
