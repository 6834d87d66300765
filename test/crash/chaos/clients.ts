import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "./chance.ts";
import type { ChaosCluster } from "./cluster.ts";
import type { ChaosNode } from "./node.ts";

interface Response<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

export interface Question {
  readonly token: string;
  readonly document: string;
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** What a mutation of the chaos answers, under the name `answer`: its payload, or a failure. */
export interface Answer {
  readonly code?: string;
  readonly message?: string;
  readonly run?: { readonly id: string };
  readonly runs?: readonly { readonly id: string }[];
  readonly approval?: { readonly status: string };
}

/** What is told to callers when something can't be done now, besides an answer: they may try again. */
const passing: ReadonlySet<string> = new Set(["UNAVAILABLE"]);
/** A server that is stopped takes a request and says nothing. */
const answerMs = 3_000;

/** Asks nodes that may be dead, dying, asleep or without a database. */
export class Clients {
  /** Errors that nothing of the chaos accounts for. */
  readonly oddities: string[] = [];
  readonly #cluster: ChaosCluster;

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  /** @returns The data; undefined where nobody knows whether it was done, or it could not be done now. */
  async ask<Data>(node: ChaosNode, { token, document, variables = {} }: Question): Promise<Data | undefined> {
    const response = await post<Data>(node, token, JSON.stringify({ query: document, variables }));
    const odd = response?.errors?.find(({ extensions }) => !passing.has(extensions?.code ?? ""));
    if (odd) this.oddities.push(`${node.name}: ${odd.extensions?.code} ${odd.message}`);
    return response?.errors ? undefined : (response?.data ?? undefined);
  }

  /** Asks a node, now and then all of them at once, until it is known what became of it. */
  async insist(chance: Chance, question: Question): Promise<readonly [Answer, ...Answer[]]> {
    for (;;) {
      const nodes = chance.isHit(0.15) ? this.#cluster.up : [await this.#cluster.someUp(chance)];
      const asked = nodes.map((node) => this.ask<{ answer: Answer }>(node, question));
      const answers = (await Promise.all(asked)).flatMap((data) => data?.answer ?? []);
      const [first, ...others] = answers.filter(({ code }) => code !== "unavailable");
      if (first) return [first, ...others];
      await sleep(100);
    }
  }
}

async function post<Data>(node: ChaosNode, token: string, body: string): Promise<Response<Data> | undefined> {
  try {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const signal = AbortSignal.timeout(answerMs);
    const response = await fetch(node.url, { method: "POST", headers, body, signal });
    return (await response.json()) as Response<Data>;
  } catch {
    return undefined;
  }
}
