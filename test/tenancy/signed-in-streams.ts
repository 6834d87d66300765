import { connect, type RawClient } from "../graphql/raw-socket.ts";
import type { TestServer } from "../support/server.ts";

/** A socket that somebody has signed in on. */
export async function openSocket(at: TestServer, token: string): Promise<RawClient> {
  const client = await connect(at.wsUrl);
  client.say({ type: "connection_init", payload: { authorization: `Bearer ${token}` } });
  await client.hear();
  return client;
}

/** A subscription as an event stream: its bytes, once it has ended. */
export async function openEvents(
  at: TestServer,
  token: string,
  subscription: string,
): Promise<{ readonly text: Promise<string> }> {
  const response = await fetch(`${at.url}?query=${encodeURIComponent(subscription)}`, {
    headers: { accept: "text/event-stream", authorization: `Bearer ${token}` },
  });
  return { text: response.text() };
}
