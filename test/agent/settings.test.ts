import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { backoffMs } from "../../src/agent/backoff.ts";
import { readSettings, UsageError } from "../../src/agent/settings.ts";

describe("the agent's settings", () => {
  test("come from the options, and from the environment where these are silent", () => {
    const environment = { OPSERVANT_SERVER: "https://b.example", OPSERVANT_TOKEN: " t2\n", OPSERVANT_STATE: "/var/b" };
    expect(readSettings(["--server", "https://a.example/", "--state", "s"], environment)).toEqual({
      server: "https://a.example",
      enrolmentToken: "t2",
      stateDirectory: resolve("s"),
    });
    expect(readSettings([], environment)).toMatchObject({ server: "https://b.example", stateDirectory: "/var/b" });
  });

  test("keep the path of a server behind a proxy, and have a directory of the user's own", () => {
    expect(readSettings(["--server", "http://a.example:8080/riposte/"], {})).toEqual({
      server: "http://a.example:8080/riposte",
      enrolmentToken: undefined,
      stateDirectory: join(homedir(), ".opservant"),
    });
  });

  test.each([
    [[], "Say which server"],
    [["--server", "riposte.example"], "begins with https://"],
    [["--server", "ftp://a.example"], "begins with https://"],
    [["--server", "https://user:pass@a.example"], "no user, password"],
    [["--server", "https://a.example", "--tokn", "x"], "tokn"],
    [["https://a.example"], "Unexpected argument"],
  ])("refuse %j", (argv, message) => {
    expect(() => readSettings(argv, {})).toThrow(UsageError);
    expect(() => readSettings(argv, {})).toThrow(message);
  });
});

describe("the wait before connecting again", () => {
  test("doubles up to a bound, with half of it left to chance", () => {
    const waits = [1, 2, 3, 6, 20].map((tries) => [backoffMs(tries, 0), backoffMs(tries, 1)]);
    expect(waits).toEqual([
      [250, 500],
      [500, 1_000],
      [1_000, 2_000],
      [7_500, 15_000],
      [7_500, 15_000],
    ]);
  });
});
