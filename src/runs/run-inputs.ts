import type { Json, JsonObject } from "../core/json.ts";
import { createMask } from "../secrets/mask.ts";
import type { RunInfo } from "./new-run.ts";

/** What a run works with. */
export type RunInputs = Pick<RunInfo, "context" | "parameters" | "givenSecrets">;

/** The part of the inputs that is stored and shown as it is. */
export type ShownInputs = Pick<RunInfo, "context" | "parameters">;

/**
 * Parts inputs into what may be stored in clear and what has to be sealed: the secrets that were given, and, where the value of one stands
 * elsewhere in the inputs too, those as they are; in clear they are masked then.
 * @returns `sealable` is undefined where nothing is secret.
 */
export function partInputs({ context, parameters, givenSecrets }: RunInputs): {
  shown: ShownInputs;
  sealable?: string;
} {
  const values = Object.values(givenSecrets);
  const shown = { context, ...(parameters === undefined ? {} : { parameters }) };
  if (values.length === 0) return { shown };
  const masked = createMask(values).json(shown) as Json & ShownInputs;
  if (JSON.stringify(masked) === JSON.stringify(shown)) return { shown, sealable: JSON.stringify({ givenSecrets }) };
  return { shown: masked, sealable: JSON.stringify({ givenSecrets, ...shown }) };
}

/** The inputs again; the inverse of {@link partInputs}. */
export function joinInputs(shown: ShownInputs, sealed: string | undefined): RunInputs {
  const opened = sealed === undefined ? {} : (JSON.parse(sealed) as Partial<RunInputs> & JsonObject);
  return { givenSecrets: {}, ...shown, ...opened };
}
