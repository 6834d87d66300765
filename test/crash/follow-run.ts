import { type Client, createClient } from "graphql-ws";
import { WebSocket } from "ws";

interface SeenEvent {
  readonly cursor: string;
  readonly sequence: number;
}

interface Follow {
  /** Of the server, or of whichever is to be asked next. */
  readonly url: string | (() => string);
  readonly token: string;
  readonly runId: string;
}

/**
 * Follows a run to its end as a dashboard does: whenever the connection breaks, it connects again with the last cursor.
 * @returns The sequences in the order they came.
 */
export async function followRun({ url, token, runId }: Follow): Promise<readonly number[]> {
  const sequences: number[] = [];
  let after: string | null = null;
  for (;;) {
    const client = createClient({
      url: (typeof url === "string" ? url : url()).replace("http", "ws"),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      connectionParams: { authorization: `Bearer ${token}` },
    });
    try {
      const events = eventsOf(client, { runId, after });
      for await (const { data, errors } of events) {
        if (errors) throw new Error(errors[0]?.message);
        if (!data) continue;
        sequences.push(data.runEvents.sequence);
        after = data.runEvents.cursor;
      }
      return sequences;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await client.dispose();
    }
  }
}

function eventsOf(client: Client, variables: { readonly runId: string; readonly after: string | null }) {
  return client.iterate<{ runEvents: SeenEvent }>({
    query: `subscription($runId: ID!, $after: String) { runEvents(runId: $runId, after: $after) {
      cursor sequence ... on LogEvent { text } ... on StepStatusEvent { output } } }`,
    variables,
  });
}
