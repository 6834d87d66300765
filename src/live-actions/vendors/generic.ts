import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import type { JsonObject } from "../../core/json.ts";
import type { Adapter, AdapterRequest, RequestProblem } from "../adapter.ts";

/** Stands for a DNS filter that nobody has connected yet, so that playbooks can name the step: it contacts nobody, and never says otherwise. */
export const blockDomain: Adapter = {
  vendorId: "generic",
  capability: "block_domain",
  description:
    "A placeholder for blocking a domain: it contacts nobody and blocks nothing, and its result is always simulated.",
  credentials: [],
  impact: "HIGH",
  reversedBy: "allow_domain",
  isIdempotent: true,
  timeoutMs: 5_000,
  check: checkDomain,
  preview: ({ target }) => simulatedDetails(target),
  async execute({ target }) {
    return {
      status: "SIMULATED",
      summary: `Nothing was blocked: generic block_domain is a placeholder, and nobody was told of ${domainOf(target)}.`,
      details: { ...simulatedDetails(target), note: "Simulation mode: generic block_domain never contacts anybody." },
    };
  },
  irreversible: "Nothing was done, so there is nothing to undo.",
};

export const generic: readonly Adapter[] = [blockDomain];

function simulatedDetails(target: string): JsonObject {
  const domain = domainOf(target);
  return { domain, dns_block_id: `SIM-DNS-${domain}` };
}

function checkDomain({ target }: AdapterRequest): RequestProblem | undefined {
  const domain = domainOf(target);
  const labels = domain.split(".");
  const isName = labels.length > 1 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
  if (isName && domain.length <= 253 && isIP(domain) === 0) return undefined;
  return { error: "invalid_target", message: "The target is to be a domain name, e.g. evil.example." };
}

/** As DNS has it: in lower case and ASCII, without the root's dot. What is no domain name stays as it is. */
function domainOf(target: string): string {
  const text = target.trim().replace(/\.$/, "");
  return /^[\p{L}\p{N}\p{M}._-]+$/u.test(text) ? domainToASCII(text) || text : text;
}
