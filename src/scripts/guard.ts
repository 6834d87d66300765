import { type ChildProcess, spawn } from "node:child_process";
import type { ScriptOwner } from "./marked-processes.ts";

/**
 * Reads the groups to watch, one per line (`+ 123`, `- 123`), until its stdin ends, which it does when their owner is gone, however it
 * went. Then it kills them, and whatever carries its mark. A shell costs about 1 MB, one for all scripts of an owner.
 */
const script = `
trap '' TERM INT HUP QUIT
groups=' '
while read -r what group; do
  case $what in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%%" $group "*} \${groups#*" $group "}" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
for round in 1 2 3; do
  for file in $(grep -ls "$1/" /proc/[0-9]*/environ); do
    pid=\${file#/proc/}
    kill -s KILL "\${pid%/environ}"
  done
done
`;

/** Sees to it that no script outlives its owner. */
export interface Guard {
  /** The group dies with the owner from now on. */
  watch(group: number): void;
  /** The group has ended. */
  forget(group: number): void;
}

/**
 * A guard for the scripts of one owner, in a process of its own that starts with the first script.
 * The usual parent-death signal would not do: it reaches the direct child only.
 */
export function createGuard({ variable, name }: ScriptOwner, path: string): Guard {
  const groups = new Set<number>();
  let watcher: ChildProcess | undefined;

  function start(): ChildProcess {
    const child = spawn("/bin/sh", ["-c", script, "riposte-guard", `${variable}=${name}`], {
      stdio: ["pipe", "ignore", "ignore"],
      cwd: "/",
      env: { PATH: path },
      // A group of its own: an interrupt at the terminal is for the owner, which then ends its scripts in its own way.
      detached: true,
    });
    child.unref();
    const { stdin } = child;
    if (stdin && "unref" in stdin && typeof stdin.unref === "function") stdin.unref();
    stdin?.on("error", () => {});
    const replace = (): void => {
      if (watcher !== child) return;
      watcher = undefined;
      // Somebody ended it: a script must not be able to shake it off.
      if (groups.size > 0) watcher = start();
    };
    child.on("exit", replace);
    child.on("error", () => {
      if (watcher === child) watcher = undefined;
    });
    for (const group of groups) stdin?.write(`+ ${group}\n`);
    return child;
  }

  return {
    watch: (group) => {
      groups.add(group);
      if (watcher) watcher.stdin?.write(`+ ${group}\n`);
      else watcher = start();
    },
    forget: (group) => {
      groups.delete(group);
      watcher?.stdin?.write(`- ${group}\n`);
    },
  };
}
