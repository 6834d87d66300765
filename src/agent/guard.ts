import { spawn } from "node:child_process";
import { markVariable } from "./processes.ts";

/**
 * Waits for the word that the script has ended. When its stdin ends before, the agent is gone, however it went: then it kills the group, and
 * whatever carries the task's mark.
 */
const script = `
trap '' TERM INT HUP QUIT
read -r group || exit 0
read -r word && exit 0
kill -s KILL -- "-$group"
for round in 1 2 3; do
  for file in $(grep -ls "${markVariable}=$1" /proc/[0-9]*/environ); do
    pid=\${file#/proc/}
    kill -s KILL "\${pid%/environ}"
  done
done
`;

/** Sees to it that a script does not outlive the agent. */
export interface Guard {
  /** The group dies with the agent from now on. */
  watch(group: number): void;
  /** The script has ended, or was never begun. */
  dismiss(): void;
}

/** A guard for one script, about 1 MB. The usual parent-death signal would not do: it reaches the direct child only. */
export function createGuard(mark: string, path: string): Guard {
  const child = spawn("/bin/sh", ["-c", script, "opservant-guard", mark], {
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
    env: { PATH: path },
    // A group of its own: an interrupt at the terminal is for the agent, which then ends its scripts in its own way.
    detached: true,
  });
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  return {
    watch: (group) => void child.stdin.write(`${group}\n`),
    dismiss: () => void child.stdin.end("0\ndone\n"),
  };
}
