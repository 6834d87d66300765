import type { Adapter } from "../adapter.ts";
import { createNotableEvent } from "./splunk-notable.ts";
import { syncDetectionRule } from "./splunk-rules.ts";
import { searchSplunk } from "./splunk-search.ts";

/** What Riposte can do with Splunk. */
export const splunk: readonly Adapter[] = [searchSplunk, createNotableEvent, syncDetectionRule];
