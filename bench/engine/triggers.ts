// npm --prefix bench run triggers: how long one event takes to be matched with 10,000 playbooks.
import type { JsonObject } from "../../src/core/json.ts";
import { finished, indexTriggers } from "../../src/playbooks/trigger-index.ts";
import { percentiles } from "./closed-loop.ts";

const playbooks = 10_000;
const events = 300;
const warmUps = 50;
const severities = ["info", "low", "medium", "high", "critical"];

/** Conditions as people write them, each with something of its own. */
const mixed: readonly ((n: number) => JsonObject)[] = [
  (n) => ({ severity: { $in: ["critical", "high"] }, asset_tags: { $contains: `team-${n}` } }),
  (n) => ({ severity: { $gte: "medium" }, source_ip: { $contains: `10.${n % 256}.${n >> 8}.0/24` } }),
  (n) => ({ cvss: { $gte: 7, $lt: 7 + n / playbooks }, "asset.name": `host-${n}` }),
  (n) => ({ title: { $regex: `(?i)brute.force.*account ${n}$` }, severity: "high" }),
  (n) => ({ $or: [{ "asset.owner": `owner-${n}` }, { cvss: { $gt: 9.9 + n / 1e6 } }], status: { $ne: "closed" } }),
];
const oneShape = (): JsonObject => ({
  severity: { $in: ["critical", "high"] },
  asset_tags: { $contains: "production" },
});

function eventOf(n: number): { type: string; data: JsonObject } {
  const asset = { name: `host-${n}`, owner: `owner-${n * 7}`, tags: ["production", `team-${n * 3}`] };
  const finding = {
    title: `Brute force against account ${n}`,
    severity: severities[n % severities.length] ?? "info",
    cvss: (n % 100) / 10,
    source_ip: `10.${n % 256}.3.${n % 250}`,
    status: "open",
    asset,
  };
  return { type: "finding.new", data: { finding } };
}

function measure(name: string, conditionsOf: (n: number) => JsonObject): void {
  const before = heapBytes();
  const buildStart = performance.now();
  const index = finished(indexTriggers(triggersOf(conditionsOf)));
  const buildMs = performance.now() - buildStart;
  for (let n = 0; n < warmUps; n++) index.match(eventOf(n));
  const heapMb = (heapBytes() - before) / 1e6;
  let matches = 0;
  const times = Array.from({ length: events }, (_, n) => {
    const event = eventOf(n);
    const start = performance.now();
    matches += index.match(event).length;
    return performance.now() - start;
  });
  const { p50, p99 } = percentiles(times);
  const figures = [
    p50.toFixed(3),
    p99.toFixed(3),
    (matches / events).toFixed(1),
    buildMs.toFixed(0),
    heapMb.toFixed(1),
  ];
  console.log(`| ${[name, ...figures, (index.bytes / 1e6).toFixed(1)].join(" | ")} |`);
}

function* triggersOf(conditionsOf: (n: number) => JsonObject): Generator<{ conditions: JsonObject; value: string }> {
  for (let n = 0; n < playbooks; n++) yield { conditions: conditionsOf(n), value: `playbook-${n}` };
}

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

console.log(`${playbooks} playbooks, ${events} events`);
console.log("| conditions | p50 ms | p99 ms | matches of an event | compiled in ms | heap MB | counted as MB |");
console.log("|---|---|---|---|---|---|---|");
measure("mixed, all different", (n) => mixed[n % mixed.length]?.(n) ?? {});
measure("one shape", oneShape);
for (const [kind, conditionsOf] of mixed.entries()) measure(`only kind ${kind + 1} of the mix`, conditionsOf);
