import { type App, startApp } from "./app.ts";
import { ConfigError, readConfig } from "./config.ts";

await main();

async function main(): Promise<void> {
  let app: App;
  try {
    app = await startApp(readConfig());
  } catch (error) {
    process.stderr.write(`${paragraph(error)}\n`);
    process.exitCode = 1;
    return;
  }
  process.stdout.write(banner(app));
  let isStopping = false;
  const stop = () => {
    // Who asks twice does not want to wait.
    if (isStopping) process.exit(130);
    isStopping = true;
    process.stdout.write("Stopping: no new work, what runs may end. Once more to stop at once.\n");
    app.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

function banner({ url, adminToken }: App): string {
  const lines = [
    "",
    "  Riposte is up.",
    `    GraphiQL    ${url}/graphql`,
    `    graphql-ws  ${url.replace(/^http/, "ws")}/graphql`,
    `    SSE         ${url}/graphql  (Accept: text/event-stream)`,
    ...(adminToken === undefined
      ? []
      : ["", "  The admin's token, shown this once and stored nowhere:", `    ${adminToken}`]),
    "",
    `  Next: ${adminToken === undefined ? "" : `ADMIN_TOKEN=${adminToken} `}npm run example`,
    "",
  ];
  return `${lines.join("\n")}\n`;
}

/** What went wrong as one paragraph, for the person who started it; the stack helps nobody here. */
function paragraph(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const { code, message, address, port } = error as NodeJS.ErrnoException &
    Partial<Record<"address" | "port", unknown>>;
  if (code === "EADDRINUSE") {
    return `Cannot start: port ${port} of ${address} is in use. Stop what uses it, or choose another with PORT=4001 npm start.`;
  }
  if (code === "EACCES" && port !== undefined)
    return `Cannot start: port ${port} needs privileges. Choose one above 1023 with PORT.`;
  if (code === "ENOTFOUND" || code === "EADDRNOTAVAIL")
    return `Cannot start: ${message}. Is HOST or DATABASE_URL right?`;
  return `Cannot start: ${message}`;
}
