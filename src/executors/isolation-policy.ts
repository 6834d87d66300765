import type { ExecutionError } from "./executor.ts";
import type { Isolation } from "./isolation.ts";
import type { IsolationLack } from "./isolation-lack.ts";

/**
 * What holds for scripts outside of the sandbox: `required` runs them isolated or not at all, `preferred` isolated where the host can,
 * `off` never isolated.
 */
export type ProductionIsolation = "required" | "preferred" | "off";

/** The network that scripts outside of the sandbox have. */
export type ScriptNetwork = "host" | "none";

interface Place {
  readonly isEmbedded: boolean;
  readonly network?: ScriptNetwork;
}

/**
 * What the operator set; `auto` is `required` for a server whose database others may share, else `preferred`. Without network it is always
 * `required`, since nothing else keeps a script from it.
 */
export function productionIsolation(
  setting: ProductionIsolation | "auto",
  { isEmbedded, network = "host" }: Place,
): ProductionIsolation {
  if (network === "none") return "required";
  if (setting !== "auto") return setting;
  return isEmbedded ? "preferred" : "required";
}

interface Policy {
  readonly isolation: Isolation;
  readonly production: ProductionIsolation;
}

/** Why an attempt is not made on this host; undefined where it is. */
export function refusalOf(
  { sandbox }: { readonly sandbox?: true },
  { isolation, production }: Policy,
): ExecutionError | undefined {
  const { lack } = isolation;
  if (lack === undefined) return undefined;
  if (sandbox) return { code: "sandbox_unavailable", message: `${lack.reason} ${lack.remedy}` };
  if (production !== "required") return undefined;
  const wayOut = "Or let scripts run unprotected, by LOCAL_ISOLATION=preferred.";
  return { code: "isolation_unavailable", message: `${lack.reason} ${lack.remedy} ${wayOut}` };
}

/** Why a server does not start whose scripts are to have no network; undefined where it can keep them from it. */
export function networkRefusal(network: ScriptNetwork, { lack }: Isolation): string | undefined {
  if (network === "host" || lack === undefined) return undefined;
  return `LOCAL_NETWORK=none can't be kept here. ${lack.reason} ${lack.remedy} Or let scripts have the host's network, by LOCAL_NETWORK=host.`;
}

/** What the log of an attempt says where its script is not isolated although it could be asked for. */
export function unprotected({ reason, remedy }: IsolationLack): string {
  return `This script runs without isolation. ${reason} ${remedy}`;
}

/** What the log of a server says once, when it starts; undefined where all is well. */
export function warningOf({ isolation, production }: Policy): { event: string; advice: string } | undefined {
  const { lack, gaps } = isolation;
  if (production === "off")
    return { event: "isolation.off", advice: "LOCAL_ISOLATION=off: scripts can do what the server's user can." };
  if (lack) {
    const consequence = production === "required" ? "Local actions are refused." : "Scripts run unprotected.";
    return { event: "isolation.unavailable", advice: `${consequence} ${lack.reason} ${lack.remedy}` };
  }
  if (gaps.length === 0) return undefined;
  return {
    event: "isolation.incomplete",
    advice: `Scripts are isolated, but this host cannot ${gaps.join("; nor ")}.`,
  };
}
