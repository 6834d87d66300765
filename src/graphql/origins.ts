/** Whether a page of this origin may call us. */
export interface Origins {
  /** `origin` and `host` as the headers say. Who sends no Origin is no page: curl, a server, an agent. */
  isAllowed(origin: string | undefined, host: string | undefined): boolean;
  /** The headers that let the page read the answer; none for a page of our own. */
  corsHeaders(origin: string | undefined): Readonly<Record<string, string>>;
}

/**
 * Same-origin pages always, others only when `allowed` names them (`https://console.example`, or `*`). Schemes are not
 * compared with ours: TLS usually ends before this process.
 */
export function createOrigins(allowed: readonly string[]): Origins {
  const isListed = (origin: string) => allowed.includes("*") || allowed.includes(origin.toLowerCase());
  return {
    isAllowed(origin, host) {
      if (origin === undefined) return true;
      return isListed(origin) || (host !== undefined && hostOf(origin) === host.toLowerCase());
    },
    corsHeaders(origin) {
      if (allowed.length === 0) return {};
      if (origin === undefined || !isListed(origin)) return { vary: "Origin" };
      return {
        vary: "Origin",
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "authorization, content-type, last-event-id",
        "access-control-max-age": "600",
      };
    },
  };
}

/** Host and port of an origin, without the port where it is the scheme's own; undefined for `null` and nonsense. */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host || undefined : undefined;
}
