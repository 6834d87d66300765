import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { blockIp } from "../../src/live-actions/vendors/aws-security-groups.ts";
import { asked, firstRequest, kept } from "./fake-trials.ts";
import { type AwsFake, groupId, roleArn, startAwsFake } from "./fakes/aws.ts";
import { expectDone, tryAdapter } from "./try-adapter.ts";

const request = asked("203.0.113.7");
const folders: string[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

async function start(credentials: Record<string, string> = {}): Promise<AwsFake> {
  const rules = [{ id: "sgr-1", protocol: "-1", cidr: "203.0.113.7/32" }];
  const fake = await kept(startAwsFake({}, { rules }));
  return Object.assign(fake, { credentials: { ...fake.credentials, ...credentials } });
}

const own = { aws_access_key_id: "AKIAOWN", aws_secret_access_key: "own", aws_security_group_id: groupId };
const firstSent = (credentials: Record<string, string>) => firstRequest(blockIp, request, { ...own, ...credentials });

/** Everything by which the SDK could find other credentials, another region or another server. */
async function tempt(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "riposte-aws-"));
  folders.push(folder);
  const profile = "aws_access_key_id = AKIAFILE\naws_secret_access_key = file\n";
  await writeFile(join(folder, "credentials"), `[default]\n${profile}`);
  await writeFile(
    join(folder, "config"),
    `[default]\nregion = us-west-2\nendpoint_url = http://127.0.0.1:1\n${profile}`,
  );
  const entries = {
    AWS_ACCESS_KEY_ID: "AKIAENVIRONMENT",
    AWS_SECRET_ACCESS_KEY: "environment",
    AWS_SESSION_TOKEN: "environment",
    AWS_REGION: "us-west-1",
    AWS_PROFILE: "default",
    AWS_SHARED_CREDENTIALS_FILE: join(folder, "credentials"),
    AWS_CONFIG_FILE: join(folder, "config"),
    AWS_ENDPOINT_URL: "http://127.0.0.1:1",
    AWS_ENDPOINT_URL_EC2: "http://127.0.0.1:1",
    AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:1",
    AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:1",
    AWS_USE_FIPS_ENDPOINT: "true",
    AWS_USE_DUALSTACK_ENDPOINT: "true",
  };
  for (const [name, value] of Object.entries(entries)) vi.stubEnv(name, value);
}

describe("AWS", () => {
  test("is asked with the call's credentials only, whatever environment and files hold", async () => {
    await tempt();
    const sent = await firstSent({});
    expect(sent.url.href).toBe("https://ec2.us-east-1.amazonaws.com/");
    const { authorization = "", ...headers } = sent.headers ?? {};
    expect(authorization).toContain("Credential=AKIAOWN/");
    expect(headers).not.toHaveProperty("x-amz-security-token");
    const unsigned = await firstSent({ aws_access_key_id: "", aws_secret_access_key: "" });
    expect(unsigned.headers?.["authorization"]).not.toMatch(/AKIAENVIRONMENT|AKIAFILE/);
  });

  test.each([
    ["eu-central-1", "https://ec2.eu-central-1.amazonaws.com/"],
    ["us-gov-west-1", "https://ec2.us-gov-west-1.amazonaws.com/"],
    ["cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn/"],
  ])("is asked in %s at %s", async (aws_region, url) => {
    expect((await firstSent({ aws_region })).url.href).toBe(url);
  });

  test("is asked with a temporary key's token", async () => {
    const sent = await firstSent({ aws_session_token: "temporary" });
    expect(sent.headers?.["x-amz-security-token"]).toBe("temporary");
  });

  test("is asked as the role that the credentials name", async () => {
    const fake = await start({ aws_role_arn: roleArn, aws_external_id: "external-7" });
    expectDone(await tryAdapter({ adapter: blockIp, request, fake }));
    expect(fake.calls[0]?.name).toBe("STS AssumeRole");
    const keys = fake.calls.map(({ headers }) => /Credential=(\w{4})/.exec(headers.authorization ?? "")?.[1]);
    expect(new Set(keys.slice(1))).toEqual(new Set(["ASIA"]));
    expect(fake.rules).toEqual([]);
  });

  test("does nothing where the role may not be assumed", async () => {
    const fake = await start({ aws_role_arn: roleArn, aws_external_id: "wrong" });
    const { thrown } = await tryAdapter({ adapter: blockIp, request, fake });
    expect(thrown).toMatchObject({ name: "VendorError", status: 403, body: { code: "AccessDenied" } });
    expect(fake.calls).toHaveLength(1);
  });

  test.each([
    ["aws_region", "evil.example/"],
    ["aws_region", "eu-central-1.evil.example"],
    ["aws_endpoint_url", "file:///etc/passwd"],
    ["aws_endpoint_url", "http://user:secret@127.0.0.1/"],
    ["aws_session_name", "a b"],
  ])("is not asked with %s %s", async (name, value) => {
    const fake = await start({ aws_role_arn: roleArn, [name]: value });
    const { result } = await tryAdapter({ adapter: blockIp, request, fake });
    expect(result).toMatchObject({ status: "FAILED", error: "invalid_params", summary: expect.stringContaining(name) });
    expect(fake.calls).toEqual([]);
  });

  test("is asked where the egress policy lets it only", async () => {
    const fake = await start({ aws_endpoint_url: "http://169.254.169.254/" });
    const { thrown } = await tryAdapter({ adapter: blockIp, request, fake }).catch((error) => ({ thrown: error }));
    expect(thrown).toMatchObject({ name: "EgressRefused" });
  });

  test("costs a start nothing: its SDK is loaded with the first call", async () => {
    const script = `
      await import(${JSON.stringify(new URL("../../src/live-actions/vendors/aws-security-groups.ts", import.meta.url).href)});
      const { _cache } = (await import("node:module")).default;
      console.log(Object.keys(_cache).filter((path) => /@aws-sdk|@smithy/.test(path)).length);
      await import("@aws-sdk/client-ec2");
      console.log(Object.keys(_cache).filter((path) => /@aws-sdk|@smithy/.test(path)).length > 0);`;
    const cwd = new URL("../..", import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { cwd });
    expect(stdout.trim().split("\n")).toEqual(["0", "true"]);
  });
});
