import type { SealedColumn } from "./secrets/reseal.ts";

/** Every column of the database that holds sealed texts; a test compares it with the tables. */
export const sealedColumns: readonly SealedColumn[] = [
  { table: "secret", key: "id", column: "sealed", keyId: "key_id" },
  { table: "run", key: "id", column: "sealed_secrets" },
  { table: "live_action_dispatch", key: "id", column: "sealed_credentials" },
  { table: "agent_task", key: "id", column: "sealed_parameters" },
  { table: "audit_chain", key: "tenant_id", column: "sealed" },
];
