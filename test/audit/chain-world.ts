import type { EntityManager } from "@mikro-orm/postgresql";
import { recordAudit } from "../../src/audit/record-audit.ts";
import type { SealPorts } from "../../src/audit/seal-entries.ts";
import { newId } from "../../src/core/ids.ts";
import { openKeyRing } from "../../src/secrets/key-ring.ts";
import { createSealer } from "../../src/secrets/seal.ts";
import type { TestDatabase } from "../support/database.ts";

/** A key as the server has one; the same text is the same key. */
export async function keyOf(text = "a"): Promise<SealPorts["key"]> {
  const secretsKey = Buffer.alloc(32, text).toString("base64");
  return createSealer(await openKeyRing({ secretsKey, dataDirectory: "/nowhere" }));
}

/** What seals and verifies on that database. */
export async function sealPorts({ orm }: TestDatabase, key?: SealPorts["key"]): Promise<SealPorts> {
  return { em: () => orm.em.fork(), key: key ?? (await keyOf()) };
}

/** Records so many deeds of a tenant. */
export async function recordSome(em: EntityManager, tenantId: string, count: number): Promise<void> {
  const actor = { kind: "TOKEN", id: newId(), name: "tester" };
  await em.fork().transactional(async (inner) => {
    for (let number = 1; number <= count; number++) {
      const detail = { number, text: 'ä \u2028 "quoted"', half: 0.1, nested: { b: [1, null, true], a: {} } };
      const deed = { operation: "putSecret", subject: `secret:s-${number}`, detail };
      await recordAudit(inner, { tenantId, actor }, deed);
    }
  });
}
