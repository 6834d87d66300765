// Run by migrate.test.ts: one of several nodes that start at once on an empty database.
import { migrate } from "../../src/database/migrate.ts";
import { openOrm } from "../../src/database/orm.ts";
import { entities } from "../../src/entities.ts";

const [address = ""] = process.argv.slice(2);
const orm = await openOrm(JSON.parse(address), entities);
await migrate(orm);
await orm.close(true);
