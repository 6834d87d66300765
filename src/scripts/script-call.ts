import type { Json } from "../core/json.ts";

/** One file of an action's package. `path` is relative, with `/`, and stays inside the package. */
export interface PackageFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly executable: boolean;
}

/** A script to run, of the package that it comes in. */
export interface ScriptCall {
  /** Path of the script within the package. */
  readonly target: string;
  readonly files: readonly PackageFile[];
  /** Every argument, secrets included, as the script reads them from stdin. */
  readonly arguments: Readonly<Record<string, Json>>;
  /** Names of the declared parameters in their order: the positional arguments of a shell script. */
  readonly parameterNames: readonly string[];
  /** Which of them are secrets: never in argv. */
  readonly secretNames: ReadonlySet<string>;
}
