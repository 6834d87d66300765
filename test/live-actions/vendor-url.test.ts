import { describe, expect, test } from "vitest";
import { VendorError } from "../../src/live-actions/vendor-http.ts";
import { pathSegment, vendorUrl } from "../../src/live-actions/vendor-url.ts";

const base = { name: "x_url", value: undefined, fallback: "https://api.vendor.example" };

describe("the URL of a vendor's call", () => {
  test("is below the vendor's own address, or the configured one and its path", () => {
    expect(vendorUrl(base, "/v1/things").href).toBe("https://api.vendor.example/v1/things");
    const value = "http://127.0.0.1:8080/proxy/";
    expect(vendorUrl({ ...base, value }, "/v1/things").href).toBe("http://127.0.0.1:8080/proxy/v1/things");
  });

  test("says what it was asked, with %20 for a blank", () => {
    const query = { q: "a b+c&d=e#f'g", ids: ["1", "2"], empty: "" };
    const url = vendorUrl(base, "/v1", query);
    expect(url.search).toBe("?q=a%20b%2Bc%26d%3De%23f%27g&ids=1&ids=2&empty=");
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ q: query.q, empty: "" });
  });

  test.each([
    "",
    "vendor.example",
    "file:///etc/passwd",
    "javascript:1",
    "https://u@x",
    "https://x/?a",
    "https://x/#a",
  ])("is not made of the address %j", (value) => {
    expect(() => vendorUrl({ ...base, value }, "/v1")).toThrow(VendorError);
  });

  test.each(["", ".", ".."])("has no segment %j", (text) => {
    expect(() => pathSegment(text)).toThrow(VendorError);
  });

  test.each(["a/../b", "a?b#c", "%2e%2e", "ü b", "...", "\ud800"])("has the segment %j as one", (text) => {
    const { pathname } = vendorUrl(base, `/v1/${pathSegment(text)}/end`);
    expect(pathname.split("/")).toHaveLength(4);
    expect(decodeURIComponent(pathname.split("/")[2]!)).toBe(text.toWellFormed());
  });
});
