import { parentPort, workerData } from "node:worker_threads";
import { gzipSync } from "node:zlib";
import { renderGraphiQL } from "@graphql-yoga/render-graphiql";

// In a thread of its own: the package is 9 MB of source, which would stay in the server's memory and hold up its loop.
const page = gzipSync(renderGraphiQL(workerData as Parameters<typeof renderGraphiQL>[0]));
parentPort?.postMessage(page);
