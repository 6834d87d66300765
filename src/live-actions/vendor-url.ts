import { VendorError } from "./vendor-http.ts";

/** Where a vendor is: what the credential parameter says, else the vendor's own address. */
export interface VendorBase {
  /** Of the credential parameter, for messages. */
  readonly name: string;
  readonly value: string | undefined;
  readonly fallback: string;
}

/** A URL below a vendor's base. A query may name a key several times. Blanks become %20, which every vendor reads. */
export function vendorUrl(
  base: VendorBase,
  path: string,
  query: Readonly<Record<string, string | readonly string[]>> = {},
): URL {
  const root = URL.parse(base.value ?? base.fallback);
  if (!root || !/^https?:$/.test(root.protocol) || root.username !== "" || root.search !== "" || root.hash !== "") {
    throw new VendorError(`${base.name} is no address. Give one like ${base.fallback}.`);
  }
  root.pathname = `${root.pathname.replace(/\/+$/, "")}${path}`;
  const pairs = Object.entries(query).flatMap(([key, values]) => [values].flat().map((value) => [key, value]));
  root.search = new URLSearchParams(pairs).toString().replaceAll("+", "%20");
  return root;
}

/** A text as one segment of a path. @throws VendorError for one that would lead elsewhere. */
export function pathSegment(text: string): string {
  if (/^\.{0,2}$/.test(text))
    throw new VendorError("An empty name, or one of dots only, can't stand in a vendor's URL.");
  return encodeURIComponent(text.toWellFormed());
}
