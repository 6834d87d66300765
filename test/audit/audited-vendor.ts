import type { Adapter } from "../../src/live-actions/adapter.ts";

/** Who vouches for people. */
export const auditedIssuer = "https://sso.example";

/** What the vendor of the tests was called for. */
export const vendorCalls: string[] = [];

/** A vendor that does what it is asked. */
export const auditedVendor: Adapter = {
  vendorId: "audited",
  capability: "isolate_host",
  description: "Does nothing, and says that it did.",
  credentials: [],
  impact: "HIGH",
  isIdempotent: false,
  timeoutMs: 5_000,
  preview: ({ target }) => ({ target }),
  async execute({ target }) {
    vendorCalls.push(target);
    return { status: "SUCCEEDED", summary: "Done.", details: { target } };
  },
  async rollback() {
    return { status: "SUCCEEDED", summary: "Undone.", details: {} };
  },
};
