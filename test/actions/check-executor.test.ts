import { describe, expect, test } from "vitest";
import { file, localAction, problems, remote, remoteAction } from "./definitions.ts";

describe("an executor", () => {
  const script = file("block_ip.py", "print()");

  test("of type local names a file of the package", () => {
    expect(problems(localAction(), [script])).toEqual([]);
    expect(problems(localAction(), [])).toEqual(["$.executor.target not_in_package"]);
    for (const target of ["../block_ip.py", "/block_ip.py", "a\\b.py", "./block_ip.py", "C:x.py"]) {
      expect(problems(localAction({ executor: { type: "local", target } }), [script])).toEqual([
        "$.executor.target outside_package",
      ]);
    }
  });

  test("of type local names what can be run", () => {
    const executor = { type: "local", target: "block" };
    expect(problems(localAction({ executor }), [file("block", "print()")])).toEqual([
      "$.executor.target no_interpreter",
    ]);
    expect(problems(localAction({ executor }), [file("block", "#!/bin/sh\n")])).toEqual([]);
  });

  test("has only the fields of its type", () => {
    const executor = { type: "local", target: "block_ip.py", method: "GET", headers: {}, entry: "x" };
    expect(problems(localAction({ executor }), [script])).toEqual([
      "$.executor.method misplaced",
      "$.executor.headers misplaced",
      "$.executor.entry misplaced",
    ]);
    expect(problems(remote({ entry: "x" }))).toEqual(["$.executor.entry misplaced"]);
  });

  test("of type opservant runs its only file, or the one it names", () => {
    const executor = { type: "opservant", target: "agent-1" };
    expect(problems(remoteAction({ executor }), [script])).toEqual([]);
    expect(problems(remoteAction({ executor }), [])).toEqual(["$.executor.entry required"]);
    expect(problems(remoteAction({ executor }), [script, file("b.py")])).toEqual(["$.executor.entry required"]);
    expect(problems(remoteAction({ executor: { ...executor, entry: "b.py" } }), [script, file("b.py")])).toEqual([]);
    expect(problems(remoteAction({ executor: { ...executor, entry: "c.py" } }), [script])).toEqual([
      "$.executor.entry not_in_package",
    ]);
  });

  test.each([
    "firewall",
    "ftp://firewall/",
    "https://user:pass@firewall/",
    "file:///etc/passwd",
    "javascript:alert(1)",
  ])("of type remote can't have the target %j", (target) =>
    expect(problems(remote({ target }))).toEqual(["$.executor.target invalid_url"]),
  );

  test.each([
    ["https://{{ parameters.ip_address }}/api", "host_from_value"],
    ["https://fw.{{ parameters.ip_address }}.internal/api", "host_from_value"],
    ["https://firewall:{{ finding.port }}/api", "host_from_value"],
    ["{{ env.base }}{{ parameters.ip_address }}/x", "host_from_value"],
    ["https://firewall/{{ parameters.ip_addres }}", "unknown_parameter"],
    ["https://firewall/?key={{ parameters.fw_api_key }}", "secret_in_query"],
    ["https://firewall/{{ ip }}", "unknown_root"],
    ["https://firewall/{{ parameters.ip_address", "template_syntax"],
  ])("of type remote can't have the target %s: %s", (target, code) =>
    expect(problems(remote({ target }))).toEqual([`$.executor.target ${code}`]),
  );

  test.each([
    "https://firewall/hosts/{{ parameters.ip_address }}/block?for={{ parameters.duration_hours }}",
    "https://{{ env.firewall }}/hosts/{{ parameters.ip_address }}",
    "{{ env.firewall_url }}/hosts/{{ parameters.ip_address }}",
    "{{ parameters.ip_address }}",
    "https://hooks.slack.com/services/{{ parameters.fw_api_key }}",
  ])("of type remote can have the target %s", (target) => expect(problems(remote({ target }))).toEqual([]));

  test.each([
    [{ Host: "evil" }, "$.executor.headers.Host invalid_header"],
    [{ "Content-Length": "1" }, "$.executor.headers.Content-Length invalid_header"],
    [{ "Idempotency-Key": "1" }, "$.executor.headers.Idempotency-Key invalid_header"],
    [{ "a b": "1" }, '$.executor.headers["a b"] invalid_header'],
    [{ "X-A": "1\r\nX-B: 2" }, "$.executor.headers.X-A invalid_header"],
    [{ "X-A": "{{ parameters.nope }}" }, "$.executor.headers.X-A unknown_parameter"],
    [{ "X-A": "{{ parameters }}" }, "$.executor.headers.X-A unknown_parameter"],
    [{ "X-A": "1", "x-a": "2" }, "$.executor.headers.x-a duplicate"],
    [{ "X-A": 1 }, "$.executor.headers.X-A wrong_type"],
  ])("of type remote can't have the headers %j", (headers, problem) =>
    expect(problems(remote({ headers }))).toEqual([problem]),
  );
});
