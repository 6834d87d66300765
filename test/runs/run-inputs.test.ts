import { describe, expect, test } from "vitest";
import { joinInputs, partInputs } from "../../src/runs/run-inputs.ts";

const secret = "s3cret-value-1";

describe("the inputs of a run", () => {
  test.each([
    ["without secrets", { context: { finding: { id: "f" } }, givenSecrets: {} }],
    ["of a playbook", { context: {}, givenSecrets: { key: secret } }],
    [
      "with a secret in its place only",
      { context: {}, parameters: { ip: "192.0.2.1" }, givenSecrets: { key: secret } },
    ],
    [
      "with a secret elsewhere too",
      {
        context: { finding: { title: secret } },
        parameters: { note: `it is ${secret}` },
        givenSecrets: { key: secret },
      },
    ],
  ])("%s are the same after they were parted and joined, and in clear they hold no secret", (_name, inputs) => {
    const { shown, sealable } = partInputs(inputs);
    expect(JSON.stringify(shown)).not.toContain(secret);
    expect(joinInputs(JSON.parse(JSON.stringify(shown)), sealable)).toEqual(inputs);
  });
});
