import type { Orm } from "./database/orm.ts";
import type { EdgeOptions } from "./graphql/server.ts";

interface ReadinessParts {
  readonly orm: Orm;
  readonly engine: { isReady(): boolean };
}

/** A database that takes longer to answer does not count as reachable. */
const answerMs = 2_000;
/** How long an answer serves whoever else asks: the route is open to anybody. */
const believedMs = 500;

/** What a load balancer asks before it sends requests here. */
export function createReadiness({ orm, engine }: ReadinessParts): EdgeOptions["readiness"] {
  let last: { readonly at: number; readonly answer: Promise<{ database: boolean; migrations: boolean }> } | undefined;
  return async () => {
    if (last === undefined || performance.now() - last.at > believedMs) {
      last = { at: performance.now(), answer: askDatabase(orm) };
    }
    return { ...(await last.answer), engine: engine.isReady() };
  };
}

async function askDatabase(orm: Orm): Promise<{ database: boolean; migrations: boolean }> {
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, answerMs, undefined).unref());
  try {
    const pending = await Promise.race([orm.migrator.getPending(), late]);
    return { database: pending !== undefined, migrations: pending?.length === 0 };
  } catch {
    return { database: false, migrations: false };
  }
}
