// The product in a process of its own, as `npm start` has it, with two adapters besides and 50 actions in its catalogue.
import { Action, ActionVersion } from "../../src/actions/entities.ts";
import { startApp } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import { newId } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { createLog } from "../../src/core/log.ts";
import type { Orm } from "../../src/database/orm.ts";
import { Tenant } from "../../src/tenancy/entities.ts";
import type { Place } from "../engine/contender.ts";
import { benchAdapters } from "./adapters.ts";

const [place = "{}", dataDirectory = "", token = ""] = process.argv.slice(2);
const config = readConfig({
  DATA_DIR: dataDirectory,
  PORT: "0",
  SECRETS_KEY: Buffer.alloc(32, 7).toString("base64"),
  ADMIN_TOKEN: token,
  // What is measured is what it can do, not what it lets one caller do.
  RATE_LIMIT_PER_MINUTE: "1000000000",
  RATE_LIMIT_BURST: "1000000000",
});
const address = JSON.parse(place) as Place;
const database = { address, isEmbedded: true, stop: async () => undefined };
const app = await startApp(config, { log: createLog("error"), database, adapters: benchAdapters() });
const tenant = await app.orm.em.fork().findOneOrFail(Tenant, { name: "default" });
await storeActions(app.orm, tenant.id, 50);
process.on("message", () => void app.stop().then(() => process.exit(0)));
process.send?.(Number(new URL(app.url).port));

async function storeActions(orm: Orm, tenantId: string, count: number): Promise<void> {
  const common = { tenantId, createdAt: new Date() };
  await orm.em.fork().transactional(async (em) => {
    for (let index = 0; index < count; index += 1) {
      const name = `block-ip-${String(index).padStart(3, "0")}`;
      const ids = { action: newId(), version: newId() };
      const description = "Blocks an address at the firewall.";
      const card = { name, type: "REMEDIATION", description, executorType: "REMOTE" } as const;
      await em.insert(Action, {
        ...{ ...common, ...card, id: ids.action, uuid: crypto.randomUUID(), enabled: true },
        ...{ activeVersionId: ids.version, tags: ["network", "firewall"] },
      });
      await em.insert(ActionVersion, {
        ...{ ...common, id: ids.version, actionId: ids.action, version: "1.0.0", major: 1, minor: 0, patch: 0 },
        ...{ definition: definitionOf(name), executorType: "REMOTE", status: "REGISTERED" },
      });
    }
  });
}

function definitionOf(name: string): JsonObject {
  const ip = { name: "ip", type: "string", required: true, validation: { pattern: "^[0-9.]{7,15}$" } };
  const reason = { name: "reason", type: "string", validation: { max_length: 200 } };
  const hours = { name: "duration_hours", type: "integer", default: 24, validation: { min: 1, max: 720 } };
  const executor = { type: "remote", target: "https://firewall.example/api/block", method: "POST" };
  const description = "Blocks an address at the firewall.";
  return { name, version: "1.0.0", type: "remediation", description, parameters: [ip, reason, hours], executor };
}
