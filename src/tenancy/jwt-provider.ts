/** What a provider signs with: asymmetric only. With a shared secret, whoever can check a token can make one. */
export const jwtAlgorithms = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
] as const;

/** Who vouches for people, and how what it says about them is read. */
export interface JwtProvider {
  /** Exactly as in `iss`. No two providers have the same. */
  readonly issuer: string;
  /** Any one of these has to be in `aud`. */
  readonly audience: readonly string[];
  readonly algorithms: readonly string[];
  /** Where its keys are published, or the keys themselves: PEM, a JWK or a JWK Set. */
  readonly keys: { readonly jwksUrl: URL } | { readonly pinned: string };
  /** The one tenant of all its people, or the claim that names each one's, by its name or its id. */
  readonly tenant: { readonly name: string } | { readonly claim: string };
  /** Dotted path, such as `realm_access.roles`. */
  readonly rolesClaim: string;
  /** The provider's name of a role to ours. Undefined: they are the same. With a map, what is not in it counts for nothing. */
  readonly roleMap: ReadonlyMap<string, string> | undefined;
  /** The first of these claims that is a name is what people are called. */
  readonly nameClaims: readonly string[];
  /** By how much the provider's clock and ours may differ. */
  readonly clockToleranceSeconds: number;
  /** Longest life of a token, from its `iat` (or from now, where it has none) to its `exp`. */
  readonly lifetimeSecondsMax: number;
}
