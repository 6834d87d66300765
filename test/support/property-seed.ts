import fc from "fast-check";

/**
 * Properties are tried on the same values in every run, so that a change that fails has failed because of what it changed. PROPERTY_SEED, a whole
 * number, makes others; a failure says which.
 */
fc.configureGlobal({ seed: Number(process.env["PROPERTY_SEED"] ?? 20_261_121) });
