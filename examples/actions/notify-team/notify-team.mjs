import { json } from "node:stream/consumers";

const { channel, message, urgency } = await json(process.stdin);
console.error(`${channel} (${urgency}): ${message}`);
process.stdout.write(JSON.stringify({ status: "posted", data: { channel, message_ts: String(Date.now() / 1_000) } }));
