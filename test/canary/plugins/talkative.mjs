// Prints the credentials that it is handed, in every way that it can, and answers with them.
import { formsOf } from "../forms.ts";

export function setup({ registerExecutor }) {
  const secret = (name) => ({ name, isSecret: true, description: "Proves it." });
  const tell = async ({ credentials, target }) => {
    const all = Object.values(credentials);
    const forms = all.flatMap((one) => [...one.split("\n"), ...formsOf(one)]);
    for (const form of forms) {
      console.log(form);
      for (const character of `${form}\n`) process.stderr.write(character);
    }
    console.log(`of a very long line: ${`${all[0]},`.repeat(3_000)}`);
    if (target === "throws") throw Object.assign(new Error(all.join()), { name: all[0], code: all[1] });
    return { status: "FAILED", error: all[0], summary: all.join(), details: { forms, [all[0]]: all } };
  };
  registerExecutor({
    vendorId: "talkative",
    capability: "isolate_host",
    description: "Tells what it is given.",
    credentialParams: [secret("talkative_token"), secret("talkative_key")],
    timeoutMs: 20_000,
    execute: tell,
    rollback: tell,
  });
}
