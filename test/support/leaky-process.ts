// Run by leaks-on-purpose.ts: tells a token that nobody else knows, and is killed.
import { writeSync } from "node:fs";
import { silentLog } from "../../src/core/log.ts";
import { generateToken } from "../../src/tenancy/api-token.ts";

const token = generateToken();
silentLog.debug({ reason: `because of ${token}` }, "leaky.told");
writeSync(1, `It is ${token}.`);
process.kill(process.pid, "SIGKILL");
