/**
 * The base of a tenant's own server: a URL as it is (with the path of a reverse proxy), a host name or address over https at the given port.
 * Undefined for what is neither, and for a URL with a user, a query or a fragment.
 */
export function readServerAddress(text: string, port: number): URL | undefined {
  const plain = text.trim();
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(plain);
  const url = URL.parse(isUrl ? plain : `https://${plain}`);
  if (!url || !["https:", "http:"].includes(url.protocol) || url.hostname === "") return undefined;
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return undefined;
  if (!isUrl && url.port === "" && !/:443$/.test(plain)) url.port = String(port);
  return url;
}
