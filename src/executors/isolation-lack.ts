import { existsSync, readFileSync } from "node:fs";

/** Why scripts cannot be isolated on this host, and what its operator can do about it: a sentence or two each. */
export interface IsolationLack {
  readonly reason: string;
  readonly remedy: string;
}

interface Findings {
  readonly platform: NodeJS.Platform;
  /** What each try came to. */
  readonly failures: readonly string[];
  /** Reads a file of the host; undefined where there is none. */
  readonly read?: (path: string) => string | undefined;
}

const inContainer = ["/.dockerenv", "/run/.containerenv"];
const userNamespaces = "user namespaces";

/** What the operator of a host without isolation is told. */
export function lackOn({ platform, failures, read = readQuietly }: Findings): IsolationLack {
  if (platform !== "linux") {
    return {
      reason: `Scripts are isolated on Linux only, and this server runs on ${platform}.`,
      remedy: "Run the server on Linux, for instance from the container image.",
    };
  }
  const isBubblewrapMissing = failures.some((failure) => failure.startsWith("bwrap ")) && failures.length > 1;
  const more = isBubblewrapMissing ? ["Bubblewrap can do with less than util-linux: install it, too."] : [];
  return {
    reason: `This host cannot isolate scripts (${[...new Set(failures)].join("; ")}).`,
    remedy: [remedyFor(failures, read), ...more].join(" "),
  };
}

function remedyFor(failures: readonly string[], read: (path: string) => string | undefined): string {
  if (failures.length > 0 && failures.every((failure) => failure.includes("not installed")))
    return "Install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap).";
  if (read("/proc/sys/kernel/unprivileged_userns_clone")?.trim() === "0")
    return `Allow ${userNamespaces}: sysctl -w kernel.unprivileged_userns_clone=1.`;
  if (read("/proc/sys/user/max_user_namespaces")?.trim() === "0")
    return `Allow ${userNamespaces}: sysctl -w user.max_user_namespaces=10000.`;
  if (inContainer.some((path) => read(path) !== undefined))
    return `Let the container make ${userNamespaces}: --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or a profile that allows them.`;
  if (read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")?.trim() === "1")
    return `Allow ${userNamespaces}: an AppArmor profile for bwrap, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0.`;
  return `Install bubblewrap, and let the server's user make ${userNamespaces} (or run the server as root).`;
}

function readQuietly(path: string): string | undefined {
  try {
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  } catch {
    return undefined;
  }
}
