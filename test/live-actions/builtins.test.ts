import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { builtinAdapters, createBuiltinRegistry } from "../../src/live-actions/builtins.ts";
import { capabilities } from "../../src/live-actions/capabilities.ts";

describe("the built-in adapters", () => {
  test("are the pairs of the source, each of them built in", () => {
    const pairs = createBuiltinRegistry()
      .all()
      .map(({ adapter, source }) => `${adapter.vendorId} ${adapter.capability} ${source}`);
    expect(pairs).toEqual(
      [
        ...["aws_security_groups allow_ip", "aws_security_groups block_ip"],
        ...[
          "crowdstrike isolate_host",
          "crowdstrike kill_process",
          "crowdstrike quarantine_file",
          "crowdstrike run_script",
        ],
        ...["defender block_ioc", "defender isolate_host", "defender run_av_scan"],
        ...["elastic search_siem", "elastic update_watcher"],
        "generic block_domain",
        ...["okta disable_user", "okta force_mfa", "okta reset_password", "okta suspend_session"],
        ...["splunk create_notable_event", "splunk search_siem", "splunk sync_detection_rule"],
      ].map((pair) => `${pair} BUILTIN`),
    );
  });

  test.each(builtinAdapters.map((adapter) => [`${adapter.vendorId} ${adapter.capability}`, adapter] as const))(
    "%s reaches as far as the taxonomy says, or says why not",
    (_name, { capability, impact, rollback, irreversible }) => {
      expect(capabilities.get(capability)?.impact).toBe(impact);
      // What can't be undone says so.
      expect(rollback !== undefined || (irreversible ?? "") !== "").toBe(true);
    },
  );

  test("are in the table for callers, with whether each can be rolled back", () => {
    const page = readFileSync(`${import.meta.dirname}/../../docs/live-actions.md`, "utf8");
    const rows = [...page.matchAll(/^\| `(\w+)` `(\w+)` \|.*\| (yes|no) \|$/gm)].map((row) => row.slice(1).join(" "));
    const pairs = createBuiltinRegistry()
      .all()
      .map(({ adapter }) => adapter);
    expect(rows).toEqual(
      pairs.map(({ vendorId, capability, rollback }) => `${vendorId} ${capability} ${rollback ? "yes" : "no"}`),
    );
  });

  test("each pass the contract suite, but for the placeholder, which has no vendor", () => {
    const own = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".test.ts"));
    const tried = own.flatMap((file) => {
      const text = readFileSync(`${import.meta.dirname}/${file}`, "utf8");
      const from = (name: string) =>
        new RegExp(`import \\{[^}]*\\b${name}\\b[^}]*\\} from "[./]*/src/(.*)"`).exec(text)?.[1];
      return [...text.matchAll(/^describeAdapter\((\w+),/gm)].map(([, name = ""]) => `${name} of ${from(name)}`);
    });
    expect(new Set(tried).size).toBe(tried.length);
    expect(tried).toHaveLength(builtinAdapters.filter(({ vendorId }) => vendorId !== "generic").length);
  });

  test("name what decides who receives a secret so that it is known for it", () => {
    const open = builtinAdapters.flatMap(({ credentials }) => credentials.filter(({ isSecret }) => !isSecret));
    const others = new Set(open.map(({ name }) => name).filter((name) => !/_(url|host|domain|verify_ssl)$/.test(name)));
    // None of these leads a secret to another server. One that is new has to be looked at before it is put here.
    expect([...others].toSorted()).toMatchInlineSnapshot(`
      [
        "aws_region",
        "aws_role_arn",
        "aws_security_group_id",
        "aws_session_name",
        "elastic_index",
        "elastic_username",
        "mde_tenant_id",
        "splunk_index",
        "splunk_username",
      ]
    `);
  });
});
