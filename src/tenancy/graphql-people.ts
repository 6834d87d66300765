import { ConflictFailure, NotFoundFailure, ValidationFailure } from "../core/failures.ts";
import { builder } from "../graphql/builder.ts";
import { type KnownProvider, type RevokedPerson, revokePersonTokens } from "./revoke-person-tokens.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    readonly jwtProviders: readonly KnownProvider[];
  }
}

const RevokePersonTokensPayload = builder.objectRef<RevokedPerson>("RevokePersonTokensPayload").implement({
  description: "No JWT that this person had by then is valid any more.",
  fields: (t) => ({
    revokedAt: t.expose("revokedAt", { type: "DateTime", description: "When it was done." }),
    lastIssuedAt: t.field({
      type: "DateTime",
      nullable: true,
      description:
        "When the latest JWT was issued that this person came with, or could have been at the earliest where it does not say; null where nobody of this issuer and subject has come yet: look whether they are right.",
      resolve: ({ lastIssuedAt }) => lastIssuedAt ?? null,
    }),
  }),
});

const RevokePersonTokensInput = builder.inputType("RevokePersonTokensInput", {
  description: "Whose JWTs to revoke.",
  fields: (t) => ({
    issuer: t.string({ required: true, description: "The identity provider, exactly as in the JWT's iss." }),
    subject: t.string({ required: true, description: "The person's id there, exactly as in the JWT's sub." }),
  }),
});

builder.mutationField("revokePersonTokens", (t) =>
  t.field({
    type: RevokePersonTokensPayload,
    description:
      "Revoke every JWT that a person has, as far as the caller's tenant is concerned: requests with them are refused and open streams end, on every node within seconds, and what they had asked for and waits for approval is not carried out. A JWT that is issued later is valid again: end the session at the identity provider first.",
    authScopes: { permission: "token:write" },
    errors: { types: [ValidationFailure, NotFoundFailure, ConflictFailure] },
    args: { input: t.arg({ type: RevokePersonTokensInput, required: true, description: "Which person." }) },
    resolve: async (_root, { input }, { operation, authenticator, jwtProviders }) => {
      const revoked = await revokePersonTokens(operation, jwtProviders, input);
      authenticator.forgetPeople();
      return revoked;
    },
  }),
);
