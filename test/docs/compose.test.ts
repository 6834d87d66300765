import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { describeConfig } from "../../src/config.ts";

interface Compose {
  readonly services: Readonly<
    Record<string, { image?: string; environment?: Record<string, string>; security_opt?: string[] }>
  >;
}

describe("docker-compose.yml", () => {
  const read = () =>
    parse(readFileSync(new URL("../../docker-compose.yml", import.meta.url), "utf8"), { merge: true }) as Compose;

  test("starts nodes that may isolate scripts, and gives them only settings that there are", () => {
    const nodes = Object.values(read().services).filter(({ image }) => image === "riposte");
    expect(nodes).toHaveLength(3);
    const known = describeConfig();
    for (const { environment = {}, security_opt: options } of nodes) {
      expect(options).toEqual(["seccomp=unconfined", "apparmor=unconfined"]);
      expect(environment).toHaveProperty("DATABASE_URL");
      expect(environment).toHaveProperty("JWT_ISSUER");
      expect(Object.keys(environment).filter((name) => !known.includes(`| \`${name}\` |`))).toEqual([]);
    }
  });
});
