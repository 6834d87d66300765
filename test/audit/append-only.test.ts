import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { behindWall } from "../../src/database/request-orm.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

let server: TestServer;
let tenantId: string;

beforeAll(async () => {
  server = await startTestServer();
  await server.client().request('mutation { putVariable(input: {name: "a", value: "1"}) { __typename } }');
  const [row] = await server.orm.em.fork().execute<{ id: string }[]>("select tenant_id as id from audit_entry");
  tenantId = row?.id ?? "";
});
afterAll(() => server.close());

describe("the audit trail, to the statements of requests", () => {
  test.each([
    ["update audit_entry set actor_name = 'somebody else'", "audit_entry"],
    ["delete from audit_entry", "audit_entry"],
    ["truncate audit_entry", "audit_entry"],
    ["update audit_chain set sequence = 0", "audit_chain"],
    ["delete from audit_chain", "audit_chain"],
    [
      "insert into audit_chain (tenant_id, sequence, hash, sealed) values (gen_random_uuid(), 0, '', '')",
      "audit_chain",
    ],
  ])("can't be changed: %s", async (statement, table) => {
    const em = behindWall(server.app.requests.em.fork(), tenantId);
    await expect(em.execute(statement)).rejects.toThrow(`permission denied for table ${table}`);
    expect(await em.execute("select 1 from audit_entry")).toHaveLength(1);
  });
});
