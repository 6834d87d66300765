import type { App } from "./app.ts";
import { ConfigError, readConfig, wasStartedByNpm } from "./config.ts";
import { createLog } from "./core/log.ts";
import { openDatabase } from "./open-database.ts";

/** Signals nearer than this are one: a terminal and npm both pass a Ctrl-C on. */
const sameSignalMs = 500;
/** How often to look whether the npm that started us is gone: its shell does not pass SIGTERM on. */
const parentPollMs = 500;

await main();

async function main(): Promise<void> {
  try {
    const app = await start();
    // Before the banner: who reads that it is up may ask it to stop at once.
    stopOnSignal(app);
    process.stdout.write(banner(app));
  } catch (error) {
    process.stderr.write(`${paragraph(error)}\n`);
    process.exit(1);
  }
}

async function start(): Promise<App> {
  const config = readConfig();
  const log = createLog(config.LOG_LEVEL);
  const { promise: begun, resolve: onBegun } = Promise.withResolvers<void>();
  const opening = openDatabase(config, log, onBegun);
  // The larger part of the code is loaded while PostgreSQL makes its files, and not before it has begun: loading keeps this process from all else.
  await Promise.race([begun, opening]);
  const [{ startApp }, database] = await Promise.all([import("./app.ts"), opening]);
  return startApp(config, { log, database, showAdminToken });
}

/** @returns When it is written. */
function showAdminToken(token: string): Promise<void> {
  const text = `\n  The admin's token, shown this once and stored nowhere:\n    ${token}\n`;
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

function stopOnSignal(app: App): void {
  let stoppingSince: number | undefined;
  const stop = () => {
    if (stoppingSince !== undefined) {
      // Who asks again does not want to wait.
      if (performance.now() - stoppingSince > sameSignalMs) process.exit(130);
      return;
    }
    stoppingSince = performance.now();
    process.stdout.write("Stopping: takes nothing new, lets what is under way end. Once more to stop at once.\n");
    app.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${paragraph(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  if (!wasStartedByNpm()) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent && stoppingSince === undefined) stop();
  }, parentPollMs).unref();
}

function banner({ url, adminToken }: App): string {
  // The example looks for the server where it is by default.
  const place = url === "http://127.0.0.1:4000" ? "" : `RIPOSTE_URL=${url}/graphql `;
  const lines = [
    "",
    "  Riposte is up.",
    `    GraphiQL    ${url}/graphql`,
    `    graphql-ws  ${url.replace(/^http/, "ws")}/graphql`,
    `    SSE         ${url}/graphql  (Accept: text/event-stream)`,
    "",
    ...(adminToken === undefined
      ? ["  Next, with an admin's token:", `    ${place}ADMIN_TOKEN=<token> npm run example`]
      : ["  Next, in a second terminal:", `    ${place}ADMIN_TOKEN=${adminToken} npm run example`]),
    "",
  ];
  return `${lines.join("\n")}\n`;
}

/** What went wrong as one paragraph, for the person who started it; a stack would help nobody here. */
function paragraph(error: unknown): string {
  if (error instanceof ConfigError) return error.message;
  const { code, message, address, port, syscall } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (syscall === "listen" && code === "EADDRINUSE") {
    return `Cannot start: port ${port} of ${address} is in use. Stop what uses it, or choose another port, as in PORT=${Number(port) + 1} npm start.`;
  }
  if (syscall === "listen" && code === "EACCES") {
    return `Cannot start: port ${port} needs privileges. Choose one above 1023 with PORT.`;
  }
  if (syscall === "listen" || syscall === "getaddrinfo") {
    return `Cannot start: ${message}. Are HOST and DATABASE_URL right?`;
  }
  if (syscall === "connect")
    return `Cannot start: the database does not answer (${message}). Is DATABASE_URL right, and is it up?`;
  return `Cannot start: ${message}`;
}
