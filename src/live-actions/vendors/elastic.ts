import type { Adapter } from "../adapter.ts";
import { searchElastic } from "./elastic-search.ts";
import { updateWatcher } from "./elastic-watches.ts";

/** What Riposte can do with Elasticsearch. */
export const elastic: readonly Adapter[] = [searchElastic, updateWatcher];
