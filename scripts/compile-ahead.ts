// npm ci runs this at its end: it compiles the server, so that already its first start has that behind it. Where it fails, that start does it.
import { globSync } from "node:fs";
import path from "node:path";
import { keepCompiled } from "../src/keep-compiled.ts";

if (keepCompiled()) {
  const root = path.join(import.meta.dirname, "..");
  for (const file of ["src/open-database.ts", "src/app.ts", ...globSync("migrations/*.ts", { cwd: root })])
    await import(path.join(root, file));
}
