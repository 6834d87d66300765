import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { schema } from "../../src/schema.ts";
import { startTestServer, type TestServer } from "../support/server.ts";
import { answersOf } from "./field-answers.ts";
import { rootFieldsOf } from "./generated-documents.ts";
import { audience, type IdentityProvider, makeKey, openIdentityProvider } from "./identity-provider.ts";
import { definitionOf, neverWere, type References } from "./root-fields.ts";
import { codesOf, makeStranger, mutate, seed, stir } from "./strangers.ts";

const fields = rootFieldsOf(schema);
/** Those that people have; `free` stands for a role of one's own. */
const roles = ["free", "viewer", "operator", "author", "admin"] as const;
const customer = "customer";

let provider: IdentityProvider;
let server: TestServer;
let never: References;
let admin: string;

beforeAll(async () => {
  provider = await openIdentityProvider(await makeKey());
  server = await startTestServer({
    config: {
      JWT_ISSUER: provider.issuer,
      JWT_AUDIENCE: [audience],
      JWT_JWKS_URL: provider.jwksUrl.href,
      JWT_TENANT_CLAIM: "tenant",
    },
  });
  never = neverWere(await seed(server));
  admin = await makeStranger(server, customer);
  await mutate(server, server.adminToken, "registerAction", "action { id }", {
    definition: definitionOf("own-action"),
  });
});
afterAll(async () => {
  await server.close();
  await provider.close();
});

/** What may be used by who has this token: a cell for each field. */
async function cellsOf(token: string, owner: string): Promise<string[]> {
  const cells: string[] = [];
  for (const root of fields) {
    const stirs = () => Promise.all([stir(server, owner), endConnections()]);
    const [answer] = await answersOf(server, root, never, { token, stir: stirs, callsMax: 1 });
    const isRefused = answer ? codesOf(answer).includes("FORBIDDEN") : undefined;
    cells.push(isRefused === undefined ? "no row" : isRefused ? "-" : "yes");
  }
  return cells;
}

const roleOf = (name: string) => (name === "free" ? "security_lead" : name);

/** In the order of the table. */
const columns = [...roles, "host", "agent"];
const measured = new Map<string, readonly string[]>();

async function tokenOf(name: string): Promise<string> {
  if (name === "host") return server.adminToken;
  if (name === "agent") return agentToken();
  const input = { name, roles: [roleOf(name)] };
  return (await mutate<{ token: string }>(server, admin, "createApiToken", "token", input)).token;
}

describe("a root field", () => {
  test.each(columns)("lets in who has the role or refuses it: %s", async (name) => {
    const cells = await cellsOf(await tokenOf(name), name === "host" ? server.adminToken : admin);
    // One that has no row is called by nobody.
    expect(cells).not.toContain("no row");
    measured.set(name, cells);
  });

  test.each(roles)("lets in a person with a JWT as it does a token: %s", async (name) => {
    const jwt = await provider.sign({ tenant: customer, roles: [roleOf(name)], sub: name });
    expect(await cellsOf(jwt, admin)).toEqual(measured.get(name));
  });

  test("lets no person in as an agent, whatever their provider says", async () => {
    const jwt = await provider.sign({ tenant: customer, roles: ["agent"], sub: "robot" });
    expect(await cellsOf(jwt, admin)).toEqual(measured.get("free"));
  });

  test("is open to the roles that the reviewed table names", async () => {
    const lines = fields.map(({ path }, index) =>
      line(
        path,
        columns.map((name) => measured.get(name)?.[index] ?? ""),
      ),
    );
    await expect(`${[heading(columns), ...lines].join("\n")}\n`).toMatchFileSnapshot("../golden/permissions.txt");
  });
});

/** Of an agent that has enrolled. */
async function agentToken(): Promise<string> {
  const enrolment = { name: "agent" };
  type Enrolment = { enrolmentToken: string };
  const { enrolmentToken: token } = await mutate<Enrolment>(
    server,
    admin,
    "createAgentEnrolment",
    "enrolmentToken",
    enrolment,
  );
  return (await mutate<{ token: string }>(server, admin, "enrolAgent", "token", { token })).token;
}

/** An agent's stream of tasks, of which there are none, ends when the agent connects elsewhere. */
async function endConnections(): Promise<void> {
  await server.orm.em.fork().execute("update agent set connection = null");
  await server.orm.em.fork().execute("select pg_notify('riposte_agent', id::text) from agent");
}

function heading(names: readonly string[]): string {
  return [
    "Who may use which root field: measured by calling each. free: a role of one's own, such as security_lead;",
    "admin: of a customer's tenant; host: an admin of the first tenant; agent: an on-premises agent.",
    "",
    line("", names),
  ].join("\n");
}

function line(name: string, cells: readonly string[]): string {
  return [name.padEnd(34), ...cells.map((cell) => cell.padEnd(9))].join("").trimEnd();
}
