import http from "node:http";
import { openEdge } from "../../src/graphql/server.ts";
import { createContexts } from "../../src/operation-contexts.ts";
import { schema } from "../../src/schema.ts";
import { openKeyRing } from "../../src/secrets/key-ring.ts";
import { createSealer } from "../../src/secrets/seal.ts";
import { createAuthenticator } from "../../src/tenancy/authenticate.ts";
import { type Contender, type Place, type RunListener, sampleContext, stepsPerRun } from "./contender.ts";
import { benchToken, openEngine } from "./open-engine.ts";
import { samplePlaybookKey } from "./sample-playbook.ts";

const operation = `mutation ($input: ExecutePlaybookInput!) {
  executePlaybook(input: $input) { __typename ... on ExecutePlaybookPayload { run { id status } } }
}`;

/** The same engine behind the whole GraphQL server, over HTTP and loopback; the client is in this process too. One run at a time. */
export async function openRiposteGraphql(place: Place): Promise<Contender> {
  let current: { readonly listener: RunListener; steps: number } | undefined;
  const world = await openEngine(place, () => {
    if (!current) return;
    current.steps += 1;
    if (current.steps === 1) current.listener.onStart();
    if (current.steps === stepsPerRun) current.listener.onEnd();
  });
  const { orm, log, clock, tenants, engine, hub, catalogue, playbooks, readSecrets, variables } = world;
  const authenticator = createAuthenticator({ em: orm.em, clock, log, tenants });
  const secretsKey = Buffer.alloc(32, 7).toString("base64");
  const sealer = createSealer(await openKeyRing({ secretsKey, dataDirectory: place.socketDirectory }));
  const services = { clock, authenticator, sealer, engine, hub, catalogue, playbooks, readSecrets, variables };
  const parts = { orm, authenticator, services };
  const edge = await openEdge({
    // The one operation that is asked for here uses no more of them.
    ...createContexts(parts as typeof parts & Parameters<typeof createContexts>[0]),
    host: "127.0.0.1",
    port: 0,
    allowedOrigins: [],
    introspection: "on",
    schema,
    log,
    documents: {},
    readiness: async () => ({}),
  });
  const agent = new http.Agent({ keepAlive: true });
  const post = () => {
    const variables = { input: { key: samplePlaybookKey, context: sampleContext } };
    const headers = { "content-type": "application/json", authorization: `Bearer ${benchToken}` };
    const options = { host: "127.0.0.1", port: edge.port, path: "/graphql", method: "POST", agent, headers };
    const request = http.request(options, async (response) => {
      const text = (await response.toArray()).join("");
      if (!text.includes('"ExecutePlaybookPayload"')) throw new Error(text);
    });
    request.end(JSON.stringify({ query: operation, variables }));
  };
  return {
    begin(listener) {
      current = { listener, steps: 0 };
      post();
    },
    async close() {
      agent.destroy();
      await edge.close();
      await engine.stop();
      await orm.close(true);
    },
  };
}
