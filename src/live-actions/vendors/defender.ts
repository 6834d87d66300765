import type { Adapter } from "../adapter.ts";
import { isolateHost, runAvScan } from "./defender-hosts.ts";
import { blockIoc } from "./defender-indicators.ts";

export const defender: readonly Adapter[] = [isolateHost, runAvScan, blockIoc];
