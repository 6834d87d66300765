import { BadInputError } from "../core/failures.ts";
import { isStorableText } from "../core/json.ts";
import { limits } from "../core/limits.ts";
import { builder } from "../graphql/builder.ts";
// Its part of the context: the registry.
import "./graphql-dispatches.ts";
import { type Impact as ImpactValue, impacts } from "./adapter.ts";
import { capabilities } from "./capabilities.ts";
import { requiresCredentials } from "./credentials.ts";
import {
  type CapabilityVendor,
  type LiveAction,
  type LiveActionFilter,
  listLiveActions,
  vendorsOfCapability,
} from "./list-live-actions.ts";
import type { AdapterSource } from "./registry.ts";

const Impact = builder.enumType("Impact", {
  description: `How far a live action reaches, from ${impacts[0]} to ${impacts.at(-1)}.`,
  values: {
    READ_ONLY: { description: "It only looks." },
    LOW: { description: "Nobody is hindered." },
    MODERATE: { description: "Somebody may be hindered, and it is easily lived with." },
    HIGH: { description: "A person, a machine or an address is cut off." },
    SEVERE: { description: "It can do anything, such as a script." },
  } satisfies Record<ImpactValue, object>,
});

const LiveActionSource = builder.enumType("LiveActionSource", {
  description: "Where a pair comes from.",
  values: {
    BUILTIN: { description: "It came with the product." },
    PLUGIN: { description: "A plugin of this server registered it." },
  } satisfies Record<AdapterSource, object>,
});

const LiveActionObject = builder.objectRef<LiveAction>("LiveAction").implement({
  description: "One pair of capability and vendor, and what it is to the caller's tenant.",
  fields: (t) => ({
    capability: t.string({
      description: "The vendor-neutral verb, such as isolate_host.",
      resolve: ({ adapter }) => adapter.capability,
    }),
    vendorId: t.string({ description: "Whose product does it.", resolve: ({ adapter }) => adapter.vendorId }),
    description: t.string({
      description: "What it does, and what is odd about it.",
      resolve: ({ adapter }) => adapter.description,
    }),
    source: t.expose("source", { type: LiveActionSource, description: "Where it comes from." }),
    requiresCredentials: t.boolean({
      description: "Whether a dispatch without credentials is only simulated.",
      resolve: ({ adapter }) => requiresCredentials(adapter),
    }),
    credentialParams: t.stringList({
      description: "Parameters of a request that are credentials. Secrets of these names are taken where it has none.",
      resolve: ({ adapter }) => adapter.credentials.map(({ name }) => name),
    }),
    impact: t.field({ type: Impact, description: "How far it reaches.", resolve: ({ adapter }) => adapter.impact }),
    reversible: t.boolean({
      description: "Whether it can be undone: by rollbackLiveAction, or by the capability that reverses it.",
      resolve: ({ adapter }) => adapter.rollback !== undefined || adapter.reversedBy !== undefined,
    }),
    rollbackSupported: t.boolean({
      description: "Whether rollbackLiveAction can undo it.",
      resolve: ({ adapter }) => adapter.rollback !== undefined,
    }),
    costPerCall: t.exposeFloat("costPerCall", {
      description: "What one call costs: as the tenant's policy says, else as its plugin does, else 0.",
    }),
    configured: t.exposeBoolean("isConfigured", {
      description: "Whether the tenant's credential store has the credentials that it requires.",
    }),
  }),
});

const LiveActionFilterInput = builder.inputType("LiveActionFilter", {
  description: "Narrows the catalogue; what is left out does not narrow.",
  fields: (t) => ({
    capability: t.string({ description: "The verb." }),
    vendorId: t.string({ description: "Whose product." }),
    source: t.field({ type: LiveActionSource, description: "Where the pair comes from." }),
    configured: t.boolean({ description: "Whether the tenant's credential store has its credentials." }),
  }),
});

const CapabilityVendorObject = builder.objectRef<CapabilityVendor>("CapabilityVendor").implement({
  description: "A vendor whose product can do something.",
  fields: (t) => ({
    vendorId: t.exposeString("vendorId", { description: "Which vendor." }),
    configured: t.exposeBoolean("isConfigured", { description: "Whether the tenant's store has the credentials." }),
    pinned: t.exposeBoolean("isPinned", { description: "Whether requests go to it that name no vendor." }),
  }),
});

const CapabilityObject = builder.objectRef<{ readonly name: string }>("Capability").implement({
  description: "A vendor-neutral verb.",
  fields: (t) => ({
    name: t.exposeString("name", { description: "Such as isolate_host." }),
    known: t.boolean({
      description: "Whether the taxonomy has it. One that it lacks can be dispatched too, with a warning.",
      resolve: ({ name }) => capabilities.has(name),
    }),
    impact: t.field({
      type: Impact,
      nullable: true,
      description: "How far it reaches, whoever does it; null where the taxonomy lacks it.",
      resolve: ({ name }) => capabilities.get(name)?.impact,
    }),
    reversedBy: t.string({
      nullable: true,
      description: "The capability that undoes it; null where none does.",
      resolve: ({ name }) => capabilities.get(name)?.reversedBy,
    }),
    vendors: t.field({
      type: [CapabilityVendorObject],
      description: "Whose products can do it on this server, sorted.",
      resolve: ({ name }, _args, { operation, liveActions: { registry } }) =>
        vendorsOfCapability(operation, registry, name),
    }),
  }),
});

const VendorObject = builder.objectRef<{ readonly vendorId: string }>("Vendor").implement({
  description: "A third-party product.",
  fields: (t) => ({
    vendorId: t.exposeString("vendorId", { description: "What requests name it by." }),
    capabilities: t.stringList({
      description: "What it can do on this server, sorted.",
      resolve: ({ vendorId }, _args, { liveActions: { registry } }) => [...registry.capabilitiesOf(vendorId)],
    }),
  }),
});

/** @throws BadInputError for what can be nobody's name. */
function requireName(name: string | null | undefined): void {
  if (name == null || (name.length <= limits.nameLengthMax && isStorableText(name))) return;
  throw new BadInputError(`A name has at most ${limits.nameLengthMax} characters, without NUL.`);
}

builder.queryFields((t) => ({
  liveActions: t.field({
    type: [LiveActionObject],
    description: "Every pair of capability and vendor of this server, by vendor, then capability.",
    authScopes: { permission: "live-action:read" },
    args: { filter: t.arg({ type: LiveActionFilterInput, description: "Which of them." }) },
    resolve: (_root, { filter }, { operation, liveActions: { registry } }) => {
      requireName(filter?.capability);
      requireName(filter?.vendorId);
      return listLiveActions(operation, registry, (filter ?? {}) satisfies LiveActionFilter);
    },
  }),
  capability: t.field({
    type: CapabilityObject,
    nullable: true,
    description: "What is known of a verb; null where neither the taxonomy nor a vendor has it.",
    authScopes: { permission: "live-action:read" },
    args: { name: t.arg.string({ required: true, description: "Such as isolate_host." }) },
    resolve: (_root, { name }, { liveActions: { registry } }) => {
      requireName(name);
      return capabilities.has(name) || registry.vendorsOf(name).length > 0 ? { name } : null;
    },
  }),
  vendor: t.field({
    type: VendorObject,
    nullable: true,
    description: "A vendor that this server has adapters for; null for any other.",
    authScopes: { permission: "live-action:read" },
    args: { id: t.arg.string({ required: true, description: "Such as crowdstrike." }) },
    resolve: (_root, { id }, { liveActions: { registry } }) => {
      requireName(id);
      return registry.capabilitiesOf(id).length > 0 ? { vendorId: id } : null;
    },
  }),
}));
