import type { Adapter } from "../adapter.ts";
import { isolateHost } from "./crowdstrike-containment.ts";
import { quarantineFile } from "./crowdstrike-files.ts";
import { killProcess } from "./crowdstrike-processes.ts";
import { runScript } from "./crowdstrike-scripts.ts";

export const crowdstrike: readonly Adapter[] = [isolateHost, quarantineFile, killProcess, runScript];
