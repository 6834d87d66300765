import { ForbiddenError } from "../core/failures.ts";
import { exportEntries } from "./export-entries.ts";
import type { SealPorts } from "./seal-entries.ts";

interface ExportPorts {
  /** Whose operation this is. @throws UnauthenticatedError */
  readonly operation: (
    authorization: string | undefined,
  ) => Promise<{ readonly tenantId: string; readonly permissions: ReadonlySet<string> }>;
  readonly audit: SealPorts;
}

/** `GET /api/audit/export`: the caller's whole trail as JSON lines, for whoever keeps it elsewhere. */
export function createAuditExport({ operation, audit }: ExportPorts) {
  return {
    async open({ authorization }: { readonly authorization: string | undefined }) {
      const { tenantId, permissions } = await operation(authorization);
      if (!permissions.has("audit:read")) throw new ForbiddenError("This token may not read the audit trail.");
      return {
        contentType: "application/jsonl; charset=utf-8",
        fileName: "audit.jsonl",
        chunks: exportEntries(audit, tenantId),
      };
    },
  };
}
