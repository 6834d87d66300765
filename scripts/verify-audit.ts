// npm run verify-audit -- FILE: checks an exported audit trail (GET /api/audit/export) without a server. `-` reads it from standard input.
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { checkExport, linesOf } from "../src/audit/check-export.ts";

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error("Name the file: npm run verify-audit -- audit.jsonl");
  process.exit(2);
}
try {
  const input = file === "-" ? process.stdin : createReadStream(file);
  // A file that can't be opened is told as such, rather than as one that is empty.
  if ("path" in input) await once(input, "ready");
  const check = await checkExport(linesOf(input.setEncoding("utf8")));
  if (check.isIntact) {
    const { sequence, hash } = check.end;
    console.log(`Intact: ${sequence} entries of tenant ${check.tenantId}. Hash of the last: ${hash ?? "none"}`);
  } else {
    console.error(`NOT intact: line ${check.line}: ${check.problem}.`);
    process.exitCode = 1;
  }
} catch (error) {
  console.error(`Can't read ${file}: ${(error as Error).message}`);
  process.exitCode = 2;
}
