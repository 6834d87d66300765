import { ForbiddenError } from "../core/failures.ts";
import { isUuid } from "../core/ids.ts";
import { builder } from "../graphql/builder.ts";
import { sequenceMax } from "./chain.ts";
import { AuditEntry } from "./entities.ts";
import { listEntries, type PlacedEntry } from "./list-entries.ts";
import { type SealPorts, sealEntries } from "./seal-entries.ts";
import { type AuditVerification, verifyAudit } from "./verify-audit.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    /** What seals the entries of any tenant: with the server's key, and not as requests do. */
    readonly audit: SealPorts;
  }
}

/** Who did it is a field that `tenancy` adds, whose word an actor is. */
export const AuditEntryNode = builder.node(AuditEntry, {
  name: "AuditEntry",
  description: "Something that somebody changed, as it was written down with the change. It never changes.",
  id: { resolve: (entry) => entry.id, description: "Opaque." },
  loadOne: (id, context) => {
    if (!context.hasPermission("audit:read")) throw new ForbiddenError("You may not do this.");
    const { em, tenantId } = context.operation;
    return isUuid(id) ? em.findOne(AuditEntry, { id, tenantId, sequence: { $ne: null } }) : null;
  },
  fields: (t) => ({
    sequence: t.int({
      description: "Its place in the tenant's chain, from 1 without gaps.",
      resolve: (entry) => (entry as PlacedEntry).sequence,
    }),
    at: t.expose("at", { type: "DateTime", description: "When it was done." }),
    operation: t.exposeString("operation", {
      description: "What was done: the name of the mutation, such as `executePlaybook`.",
    }),
    subject: t.exposeString("subject", {
      nullable: true,
      description:
        "What it was done to, as `kind:name` or `kind:id`, such as `playbook:contain-host` or `target:vpn-01`.",
    }),
    outcome: t.exposeString("outcome", {
      description:
        "`succeeded`; or `accepted`, where the end is an entry of its own; or how else it ended, such as `failed`.",
    }),
    detail: t.field({
      type: "JSON",
      nullable: true,
      description:
        "What there is to say besides, by operation. No secret; what is too large is cut, and says so in `isCut`.",
      resolve: ({ detail }) => detail ?? null,
    }),
    hash: t.string({
      description: "Hex SHA-256 over the entry and the hash before it: docs/audit.md says how to compute it.",
      resolve: (entry) => (entry as PlacedEntry).hash,
    }),
    previousHash: t.exposeString("previousHash", {
      nullable: true,
      description: "The hash of the entry before; null for the first.",
    }),
  }),
});

const AuditFilterInput = builder.inputType("AuditFilter", {
  description: "Narrows the trail; what is left out does not narrow.",
  fields: (t) => ({
    operation: t.string({ description: "Exactly this operation, such as `dispatchLiveAction`." }),
    subject: t.string({ description: "Exactly this subject, such as `target:vpn-01`." }),
    since: t.field({ type: "DateTime", description: "Done then or later." }),
    until: t.field({ type: "DateTime", description: "Done before then." }),
  }),
});

builder.queryField("auditEntries", (t) =>
  t.connection(
    {
      type: AuditEntryNode,
      description: "The tenant's audit trail, the newest entry first, with what was done a moment ago.",
      authScopes: { permission: "audit:read" },
      args: { filter: t.arg({ type: AuditFilterInput, description: "Narrows the trail." }) },
      resolve: async (_root, { filter, ...page }, { operation, audit }) => {
        await sealEntries(audit, operation.tenantId, "wait");
        return listEntries(operation, page, filter ?? {});
      },
    },
    { name: "AuditEntryConnection", description: "A page of the trail." },
    { name: "AuditEntryEdge", description: "An entry in a page." },
  ),
);

const AuditVerificationObject = builder.objectRef<AuditVerification>("AuditVerification").implement({
  description: "Whether the tenant's audit trail is what was written.",
  fields: (t) => ({
    intact: t.exposeBoolean("intact", { description: "Whether every entry is as it was sealed, and none is missing." }),
    entries: t.exposeInt("entries", { description: "How many entries were found intact, from the first on." }),
    firstBroken: t.int({
      nullable: true,
      description:
        "The first sequence that is not as it was sealed: edited, missing, inserted, or the last one, where its end is not the server's own. Null where all are intact.",
      resolve: ({ firstBroken }) => firstBroken && Math.min(Math.max(firstBroken, -sequenceMax), sequenceMax),
    }),
  }),
});

builder.queryField("verifyAudit", (t) =>
  t.field({
    type: AuditVerificationObject,
    description:
      "Computes the whole chain of the tenant's audit trail anew, and compares its end with what the server has sealed.",
    authScopes: { permission: "audit:read" },
    resolve: (_root, _args, { operation, audit }) => verifyAudit(audit, operation.tenantId),
  }),
);
