import { canary } from "../canary/forms.ts";
import type { NotedSecret } from "./leak-finder.ts";

interface NotSecret {
  /** In this test file only. */
  readonly file?: string;
  readonly what: { readonly origin: RegExp } | { readonly value: RegExp | string };
  readonly reason: string;
}

/** Every setting of a built-in adapter that is no secret, as the adapters say; a test compares. */
export const settingNames: readonly string[] = [
  ...["aws_endpoint_url", "aws_region", "aws_role_arn", "aws_security_group_id", "aws_session_name", "cs_base_url"],
  ...["elastic_host", "elastic_index", "elastic_url", "elastic_username", "elastic_verify_ssl", "mde_base_url"],
  ...["mde_login_url", "mde_tenant_id", "okta_domain", "splunk_host", "splunk_index", "splunk_url"],
  ...["splunk_username", "splunk_verify_ssl"],
];

/** What is put where secrets are put, and may stand in clear elsewhere all the same. Keep it short: each entry is something that is not looked for. */
const notSecret: readonly NotSecret[] = [
  {
    what: { origin: new RegExp(`^secret:(${settingNames.join("|")})$`) },
    reason: "A setting of an adapter, which is kept beside its secrets and shown as what was given.",
  },
  {
    file: "test/examples/plugin.test.ts",
    what: { origin: /^secret:acme_url$/ },
    reason: "A setting of the example's adapter.",
  },
  {
    file: "test/crash/live-action-crash.test.ts",
    what: { value: /^http:\/\/127\.0\.0\.1:\d+$/ },
    reason: "The setting of its plugin, which is shown as what was given.",
  },
  { what: { value: /\*\*\*/ }, reason: "What was masked, and is then handed on as a secret." },
  {
    file: "test/tenancy/hostile-texts.test.ts",
    what: { origin: /^secret:/ },
    reason: "The same few texts are put into every argument there is, the value of a secret among them.",
  },
  {
    file: "test/tenancy/authenticate.test.ts",
    what: { value: /^[0-9a-f]{64}$/ },
    reason: "The hash of a token, which somebody tries as a token.",
  },
  {
    file: "test/canary/actions.test.ts",
    what: { value: canary("given with the call") },
    reason: "Stands in the context of a run on purpose: it proves that the file's own search finds something.",
  },
];

export function isNotSecret({ value, origin }: NotedSecret, file: string): boolean {
  return notSecret.some(({ file: only, what }) => {
    if (only !== undefined && !file.endsWith(only)) return false;
    if ("origin" in what) return what.origin.test(origin);
    return typeof what.value === "string" ? what.value === value : what.value.test(value);
  });
}
