import type { EventRow } from "./events.ts";
import type { JournalEntry } from "./journal-entry.ts";
import type { NewRun } from "./new-run.ts";

/** What the flush statement takes, in the order of its parameters after the node's two. */
export interface FlushRows {
  readonly birthCount: number;
  /** JSON lists. */
  readonly births: string;
  readonly heads: string;
  readonly signals: readonly string[];
  /** The columns of the events, each as the text of a PostgreSQL array. */
  readonly events: readonly string[];
}

/**
 * The rows of a batch. Runs, which are few and wide, as JSON; events, which are most of all that is written, as one array for each
 * column: PostgreSQL reads those in two thirds of the time that `json_to_recordset` takes (14 µs against 20 for two events, 2026-11).
 */
export function serialise(batch: readonly JournalEntry[]): FlushRows {
  const births: string[] = [];
  const heads: string[] = [];
  const signals: string[] = [];
  const columns = new EventColumns();
  for (const entry of batch) {
    if (entry.birth) births.push(JSON.stringify({ ...birthRow(entry.birth, entry.events[0]?.at), ...entry.head }));
    else if (entry.head) heads.push(JSON.stringify({ id: entry.runId, ...entry.head }));
    for (const event of entry.events) columns.add(entry, event);
    if (entry.signals) signals.push(...entry.signals);
  }
  return {
    birthCount: births.length,
    births: `[${births.join()}]`,
    heads: `[${heads.join()}]`,
    signals,
    events: columns.texts(),
  };
}

class EventColumns {
  readonly #runs: string[] = [];
  readonly #sequences: number[] = [];
  readonly #tenants: string[] = [];
  readonly #instants: number[] = [];
  readonly #runAttempts: number[] = [];
  readonly #types: string[] = [];
  readonly #steps: string[] = [];
  readonly #attempts: (number | "NULL")[] = [];
  readonly #labels: string[] = [];
  readonly #bodies: string[] = [];
  readonly #ofBirths: ("t" | "f")[] = [];

  add({ runId, tenantId, birth }: JournalEntry, event: EventRow): void {
    this.#runs.push(runId);
    this.#sequences.push(event.sequence);
    this.#tenants.push(tenantId);
    this.#instants.push(event.at);
    this.#runAttempts.push(event.runAttempt);
    this.#types.push(event.type);
    this.#steps.push(event.stepId === null ? "NULL" : quoted(event.stepId));
    this.#attempts.push(event.attempt ?? "NULL");
    this.#labels.push(quoted(event.label));
    this.#bodies.push(event.body === null ? "NULL" : quotedJson(JSON.stringify(event.body)));
    this.#ofBirths.push(birth ? "t" : "f");
  }

  texts(): string[] {
    return [
      this.#runs,
      this.#sequences,
      this.#tenants,
      this.#instants,
      this.#runAttempts,
      this.#types,
      this.#steps,
      this.#attempts,
      this.#labels,
      this.#bodies,
      this.#ofBirths,
    ].map((values) => `{${values.join()}}`);
  }
}

/** An element of an array's text. @see PostgreSQL 18, section 8.15.6 */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** The same for JSON, whose texts have no control characters left: then a JSON text of it is escaped as an array wants it, and quicker. */
function quotedJson(json: string): string {
  return JSON.stringify(json);
}

function birthRow(birth: NewRun, at: number | undefined) {
  return {
    id: birth.id,
    tenant: birth.tenantId,
    at,
    kind: birth.kind,
    playbook: birth.playbookId,
    playbook_version: birth.playbookVersionId,
    action: birth.actionId,
    action_version: birth.actionVersionId,
    context: birth.context,
    parameters: birth.parameters,
    secrets: birth.sealedSecrets,
    by_kind: birth.startedBy.kind,
    by_name: birth.startedBy.name,
    by_id: birth.startedBy.id,
    idempotency_key: birth.idempotencyKey,
    input_hash: birth.inputHash,
  };
}
