import type { Clock } from "../core/clock.ts";
import { ConflictFailure, ForbiddenError, NotFoundFailure, StateFailure, ValidationFailure } from "../core/failures.ts";
import { localId } from "../core/global-id.ts";
import { isUuid } from "../core/ids.ts";
import { newestFirst, type PageArguments, resolvePage } from "../core/keyset-page.ts";
import { builder } from "../graphql/builder.ts";
import type { Authenticator } from "./authenticate.ts";
import { createApiToken } from "./create-api-token.ts";
import { createTenant } from "./create-tenant.ts";
import { ApiToken, Tenant } from "./entities.ts";
import { ActorKind } from "./graphql-actor.ts";
import type { OperationContext } from "./operation-context.ts";
import { revokeApiToken } from "./revoke-api-token.ts";
import { setTenantEnabled, type TenantDesk } from "./set-tenant-enabled.ts";
import { updateTenantSettings } from "./update-tenant-settings.ts";

declare module "../graphql/builder.ts" {
  interface Context {
    /** Throws UnauthenticatedError without a valid token. */
    readonly operation: OperationContext;
    readonly clock: Clock;
    readonly authenticator: Pick<Authenticator, "forget" | "forgetPeople">;
    readonly tenantDesk: TenantDesk;
  }
}

const TenantNode = builder.node(Tenant, {
  name: "Tenant",
  description: "A customer or department; nobody sees beyond their own.",
  id: { resolve: (tenant) => tenant.id, description: "Opaque." },
  loadOne: (id, { operation }) => (id === operation.tenantId ? ownTenant(operation) : null),
  fields: (t) => ({
    name: t.exposeString("name", { description: "What people know it by." }),
    disabledAt: t.expose("disabledAt", {
      type: "DateTime",
      nullable: true,
      description: "Since when nothing is done for it; null while it is enabled.",
    }),
    disabledReason: t.exposeString("disabledReason", {
      nullable: true,
      description: "Why it was disabled, as who did it said; null while it is enabled.",
    }),
  }),
});

const Viewer = builder.objectRef<OperationContext>("Viewer").implement({
  description: "Who is asking, and what they may do.",
  fields: (t) => ({
    kind: t.field({ type: ActorKind, description: "What kind of caller it is.", resolve: ({ actor }) => actor.kind }),
    name: t.string({ description: "What people know the caller by.", resolve: ({ actor }) => actor.name }),
    roles: t.stringList({ description: "The roles of the token.", resolve: ({ roles }) => [...roles] }),
    tenant: t.field({ type: TenantNode, description: "Whose data it is.", resolve: ownTenant }),
    permissions: t.stringList({
      description: "What the roles give, as noun:verb, in alphabetical order.",
      resolve: ({ permissions }) => [...permissions].sort(),
    }),
  }),
});

const TenantSettings = builder.objectRef<Tenant>("TenantSettings").implement({
  description: "What a tenant decides for itself.",
  fields: (t) => ({
    allowSelfApproval: t.exposeBoolean("allowSelfApproval", {
      description: "Whether who started something may approve it.",
    }),
    newActionsStartDisabled: t.exposeBoolean("newActionsStartDisabled", {
      description: "Whether a newly registered action starts disabled, whatever its definition says.",
    }),
  }),
});

const ApiTokenNode = builder.node(ApiToken, {
  name: "ApiToken",
  description: "What a program signs in with. Its text is told when it is made, and kept nowhere.",
  id: { resolve: (token) => token.id, description: "Opaque." },
  loadOne: (id, context) => {
    if (!context.hasPermission("token:read")) throw new ForbiddenError("You may not do this.");
    const { em, tenantId } = context.operation;
    return isUuid(id) ? em.findOne(ApiToken, { id, tenantId }) : null;
  },
  fields: (t) => ({
    name: t.exposeString("name", { description: "What people know it by." }),
    roles: t.exposeStringList("roles", { description: "What it may do, and for what approvals it counts." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was made." }),
    expiresAt: t.expose("expiresAt", {
      type: "DateTime",
      nullable: true,
      description: "When it ends by itself; null: never.",
    }),
    revokedAt: t.expose("revokedAt", {
      type: "DateTime",
      nullable: true,
      description: "When it was revoked, if it was.",
    }),
    lastUsedAt: t.expose("lastUsedAt", {
      type: "DateTime",
      nullable: true,
      description: "When it was last used, to the minute; null: never yet.",
    }),
  }),
});

builder.queryFields((t) => ({
  viewer: t.field({
    type: Viewer,
    description: "Who is asking, and what they may do.",
    authScopes: { signedIn: true },
    resolve: (_root, _args, { operation }) => operation,
  }),
  tenantSettings: t.field({
    type: TenantSettings,
    description: "What the caller's tenant has decided for itself.",
    authScopes: { permission: "settings:read" },
    resolve: (_root, _args, { operation }) => ownTenant(operation),
  }),
  apiTokens: t.connection(
    {
      type: ApiTokenNode,
      description: "The tenant's tokens, the newest first, with the expired and the revoked.",
      authScopes: { permission: "token:read" },
      resolve: (_root, args, { operation }) => listTokens(operation, args),
    },
    { name: "ApiTokenConnection", description: "A page of tokens." },
    { name: "ApiTokenEdge", description: "A token in a page." },
  ),
}));

const CreateApiTokenPayload = builder
  .objectRef<Awaited<ReturnType<typeof createApiToken>>>("CreateApiTokenPayload")
  .implement({
    description: "The token was made.",
    fields: (t) => ({
      token: t.exposeString("token", { description: "The token's text: in this answer once and nowhere else." }),
      apiToken: t.expose("apiToken", { type: ApiTokenNode, description: "What is kept of it." }),
    }),
  });

const CreateApiTokenInput = builder.inputType("CreateApiTokenInput", {
  description: "A token of the caller's tenant.",
  fields: (t) => ({
    name: t.string({ required: true, description: "What people know it by; no valid token of the tenant has it." }),
    roles: t.stringList({
      required: true,
      description:
        "viewer, operator, author or admin, which give permissions; or free names such as security_lead, which only count for approvals. None may give what the caller may not do.",
    }),
    expiresAt: t.field({ type: "DateTime", description: "When it ends by itself, in the future; without it never." }),
  }),
});

builder.mutationField("createApiToken", (t) =>
  t.field({
    type: CreateApiTokenPayload,
    description: "Make a token of the caller's tenant.",
    authScopes: { permission: "token:write" },
    errors: { types: [ValidationFailure, ConflictFailure] },
    args: { input: t.arg({ type: CreateApiTokenInput, required: true, description: "What the token is to be." }) },
    resolve: (_root, { input }, { operation, clock }) => createApiToken(operation, clock, input),
  }),
);

const RevokeApiTokenPayload = builder.objectRef<{ apiToken: ApiToken }>("RevokeApiTokenPayload").implement({
  description: "The token is no longer valid.",
  fields: (t) => ({ apiToken: t.expose("apiToken", { type: ApiTokenNode, description: "What is kept of it." }) }),
});

const RevokeApiTokenInput = builder.inputType("RevokeApiTokenInput", {
  description: "Which token to end.",
  fields: (t) => ({ id: t.id({ required: true, description: "The token's id; the caller's own may be named too." }) }),
});

builder.mutationField("revokeApiToken", (t) =>
  t.field({
    type: RevokeApiTokenPayload,
    description: "End a token. Requests with it are refused and its open streams end, on every node within seconds.",
    authScopes: { permission: "token:write" },
    errors: { types: [NotFoundFailure] },
    args: { input: t.arg({ type: RevokeApiTokenInput, required: true, description: "Which token." }) },
    resolve: async (_root, { input }, { operation, clock, authenticator }) => {
      const apiToken = await revokeApiToken(operation, clock, localId("ApiToken", input.id) ?? "");
      authenticator.forget(apiToken.hash);
      return { apiToken };
    },
  }),
);

const CreateTenantPayload = builder.objectRef<{ tenant: Tenant; token: string }>("CreateTenantPayload").implement({
  description: "The tenant was made.",
  fields: (t) => ({
    tenant: t.expose("tenant", { type: TenantNode, description: "The new tenant." }),
    token: t.exposeString("token", { description: "Its first admin's token: in this answer once and nowhere else." }),
  }),
});

const CreateTenantInput = builder.inputType("CreateTenantInput", {
  description: "A new tenant.",
  fields: (t) => ({
    name: t.string({ required: true, description: "What people know it by; no other tenant has it." }),
  }),
});

builder.mutationField("createTenant", (t) =>
  t.field({
    type: CreateTenantPayload,
    description: "Make a tenant with a first admin. Only admins of the server's first tenant may.",
    authScopes: { permission: "tenant:create" },
    errors: { types: [ValidationFailure, ConflictFailure] },
    args: {
      input: t.arg({ type: CreateTenantInput, required: true, description: "What the tenant is to be called." }),
    },
    resolve: (_root, { input }, { operation }) => createTenant(operation, input),
  }),
);

const SetTenantEnabledPayload = builder.objectRef<{ tenant: Tenant }>("SetTenantEnabledPayload").implement({
  description: "The tenant is as was asked.",
  fields: (t) => ({ tenant: t.expose("tenant", { type: TenantNode, description: "The tenant as it is now." }) }),
});

const SetTenantEnabledInput = builder.inputType("SetTenantEnabledInput", {
  description: "Which tenant, and whether anything is to be done for it.",
  fields: (t) => ({
    tenant: t.string({ required: true, description: "Its name or its id; the caller's own can't be disabled." }),
    enabled: t.boolean({ required: true, description: "False to disable it, true to enable it again." }),
    reason: t.string({ description: "Why: for the audit trail and who operates the server, not for the tenant." }),
  }),
});

builder.mutationField("setTenantEnabled", (t) =>
  t.field({
    type: SetTenantEnabledPayload,
    description:
      "Disable a tenant, or enable it again. While it is disabled its callers, agents and events are refused, its schedules do not tick, and its runs end before their next step, on every node within seconds. Only admins of the server's first tenant may.",
    authScopes: { permission: "tenant:create" },
    errors: { types: [ValidationFailure, NotFoundFailure, StateFailure] },
    args: { input: t.arg({ type: SetTenantEnabledInput, required: true, description: "Which tenant, and how." }) },
    resolve: async (_root, { input }, { operation, tenantDesk }) => {
      return { tenant: await setTenantEnabled(operation, tenantDesk, input) };
    },
  }),
);

const UpdateTenantSettingsPayload = builder.objectRef<{ settings: Tenant }>("UpdateTenantSettingsPayload").implement({
  description: "The settings were changed.",
  fields: (t) => ({
    settings: t.expose("settings", { type: TenantSettings, description: "All settings, as they are now." }),
  }),
});

const UpdateTenantSettingsInput = builder.inputType("UpdateTenantSettingsInput", {
  description: "What to change; what is left out stays.",
  fields: (t) => ({
    allowSelfApproval: t.boolean({ description: "Whether who started something may approve it." }),
    newActionsStartDisabled: t.boolean({ description: "Whether a newly registered action starts disabled." }),
  }),
});

builder.mutationField("updateTenantSettings", (t) =>
  t.field({
    type: UpdateTenantSettingsPayload,
    description: "Change what the caller's tenant decides for itself.",
    authScopes: { permission: "settings:write" },
    errors: { types: [ValidationFailure] },
    args: { input: t.arg({ type: UpdateTenantSettingsInput, required: true, description: "What to change." }) },
    resolve: async (_root, { input }, { operation }) => ({ settings: await updateTenantSettings(operation, input) }),
  }),
);

function ownTenant({ em, tenantId }: OperationContext): Promise<Tenant> {
  return em.findOneOrFail(Tenant, { id: tenantId });
}

function listTokens({ em, tenantId }: OperationContext, args: PageArguments) {
  return resolvePage<ApiToken>(args, {
    keyLength: 1,
    key: ({ id }) => [id],
    count: () => em.count(ApiToken, { tenantId }),
    find: (range) => {
      const { id, options } = newestFirst(range);
      return em.find(ApiToken, { tenantId, id }, options);
    },
  });
}
