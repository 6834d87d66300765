import { describe, expect, test } from "vitest";
import { ConfigError, describeConfig, readConfig } from "../src/config.ts";

describe("the configuration", () => {
  test("has a default for everything", () => {
    expect(readConfig({})).toMatchObject({
      PORT: 4_000,
      HOST: "127.0.0.1",
      DATA_DIR: ".riposte",
      EGRESS_PRIVATE: "allow",
    });
    expect(readConfig({}).DATABASE_URL).toBeUndefined();
  });

  test("takes an empty variable for one that was not set", () => {
    expect(readConfig({ PORT: " ", DATABASE_URL: "", ADMIN_TOKEN: "" })).toEqual(readConfig({}));
  });

  test("reads lists with commas or blanks", () => {
    const { EGRESS_ALLOW } = readConfig({ EGRESS_ALLOW: "127.0.0.1/32, example.com\n10.0.0.0/8" });
    expect(EGRESS_ALLOW).toEqual(["127.0.0.1/32", "example.com", "10.0.0.0/8"]);
  });

  test("tells every mistake in one message, and no value", () => {
    const wrong = {
      PORT: "70000",
      DATABASE_URL: "mysql://user:hunter2@host/db",
      ADMIN_TOKEN: "hunter2 hunter2",
      LOG_LEVEL: "loud",
      INTROSPECTION: "yes",
    };
    const error = errorOf(wrong);
    expect(error).toBeInstanceOf(ConfigError);
    for (const name of Object.keys(wrong)) expect(error.message).toContain(`\n  ${name}: `);
    expect(error.message).not.toContain("hunter2");
  });

  test.each(["abc", "-1", "4000.5", "65536", "0x10", "1e3"])("refuses %j as a port", (PORT) => {
    expect(errorOf({ PORT }).message).toContain("PORT: ");
  });

  test("refuses to keep scripts from the network without isolating them, and tells it beside other mistakes", () => {
    const wrong = { LOCAL_NETWORK: "none", LOCAL_ISOLATION: "off", PORT: "x" };
    expect(errorOf(wrong).message).toMatch(/PORT: [\s\S]*LOCAL_NETWORK: can only be none where scripts are isolated/);
    expect(readConfig({ LOCAL_NETWORK: "none" }).LOCAL_NETWORK).toBe("none");
    expect(readConfig({ LOCAL_ISOLATION: "off" }).LOCAL_NETWORK).toBe("host");
  });

  test("describes each variable as a row of a table", () => {
    const rows = describeConfig().split("\n");
    expect(rows).toContain("| `PORT` | `4000` | Port of the API; 0 takes any free one. |");
    expect(rows.every((row) => row.startsWith("|") && row.endsWith("|") && !row.includes("|  |\n"))).toBe(true);
  });
});

function errorOf(environment: Record<string, string>): Error {
  try {
    readConfig(environment);
  } catch (error) {
    return error as Error;
  }
  throw new Error("It was accepted.");
}
