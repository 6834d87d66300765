import { describe, expect, test } from "vitest";
import { endpointOf } from "../../src/database/address.ts";

describe("the endpoint of a database's address", () => {
  test.each([
    ["postgres://u:p@db.internal/riposte", { host: "db.internal", port: 5432 }],
    ["postgres://u:p@db.internal:6432/riposte", { host: "db.internal", port: 6432 }],
    ["postgres://u@localhost/riposte?host=10.0.0.7&port=6000", { host: "10.0.0.7", port: 6000 }],
    ["postgres://u@localhost/riposte?host=/var/run/postgresql", undefined],
  ])("%s", (url, endpoint) => {
    expect(endpointOf({ url })).toEqual(endpoint);
  });

  test("of a Unix socket is none", () => {
    expect(endpointOf({ socketDirectory: "/tmp/s", user: "postgres", database: "riposte" })).toBeUndefined();
  });
});
