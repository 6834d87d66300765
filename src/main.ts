import { keepCompiled } from "./keep-compiled.ts";

keepCompiled();
// Not before: what is imported plainly is compiled before anything is carried out.
await import("./serve.ts");
