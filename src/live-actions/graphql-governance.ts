import { ApproverObject } from "../approvals/graphql.ts";
import { NotFoundFailure, ValidationFailure } from "../core/failures.ts";
import { builder } from "../graphql/builder.ts";
// Its part of the context: the registry.
import "./graphql-dispatches.ts";
import type { LiveActionPolicy } from "./entities.ts";
import { listUsage, type Usage } from "./list-usage.ts";
import { listPins, type Pin, pinVendor } from "./pin-vendor.ts";
import { listPolicies, setLiveActionPolicy } from "./set-live-action-policy.ts";

const VendorPinObject = builder.objectRef<Pin>("VendorPin").implement({
  description: "The vendor that requests for a capability go to which name none.",
  fields: (t) => ({
    capability: t.exposeString("capability", { description: "The verb." }),
    vendorId: t.exposeString("vendorId", { nullable: true, description: "The vendor; null: the pin was taken away." }),
  }),
});

const PinVendorInput = builder.inputType("PinVendorInput", {
  description: "Which vendor to pin for which capability.",
  fields: (t) => ({
    capability: t.string({ required: true, description: "The verb." }),
    vendorId: t.string({ description: "The vendor; null or left out takes the pin away." }),
  }),
});

const PinVendorPayload = builder.objectRef<{ pin: Pin }>("PinVendorPayload").implement({
  description: "The vendor was pinned, or the pin taken away.",
  fields: (t) => ({ pin: t.expose("pin", { type: VendorPinObject, description: "As it is now." }) }),
});

const LiveActionPolicyObject = builder.objectRef<LiveActionPolicy>("LiveActionPolicy").implement({
  description:
    "What the tenant allows of a capability, with one vendor or with all. Both kinds hold beside each other.",
  fields: (t) => ({
    capability: t.exposeString("capability", { description: "The verb." }),
    vendorId: t.exposeString("vendorId", { nullable: true, description: "The vendor; null: all of them." }),
    requireApproval: t.exposeBoolean("requireApproval", { description: "Whether people are asked before each call." }),
    approvers: t.field({
      type: [ApproverObject],
      description: "Who may decide; any one of them.",
      resolve: ({ approvers }) => [...approvers],
    }),
    approvalTimeoutMinutes: t.exposeInt("approvalTimeoutMinutes", {
      nullable: true,
      description: "How many minutes they have to decide; null: as the other policy says, else 24 hours.",
    }),
    callsPerDay: t.exposeInt("callsPerDay", { nullable: true, description: "Calls of one UTC day; null: any number." }),
    costPerCall: t.exposeFloat("costPerCall", {
      nullable: true,
      description:
        "What one call costs, in whatever currency the tenant counts; null: as the other policy says, else the catalogue.",
    }),
    budgetPerMonth: t.exposeFloat("budgetPerMonth", {
      nullable: true,
      description: "What the calls of one UTC month may cost; null: anything.",
    }),
  }),
});

const ApproverInput = builder.inputType("ApproverInput", {
  description: "Who may decide: one of both.",
  fields: (t) => ({
    role: t.string({ description: "Whoever has this role: of the permission table, or a free one." }),
    user: t.string({ description: "The one of this name: of an API token or a person." }),
  }),
});

const SetLiveActionPolicyInput = builder.inputType("SetLiveActionPolicyInput", {
  description: "What to allow. What is left out stays as it is.",
  fields: (t) => ({
    capability: t.string({ required: true, description: "The verb." }),
    vendorId: t.string({ description: "The vendor; null or left out: all of them." }),
    requireApproval: t.boolean({ description: "Whether people are asked before each call." }),
    approvers: t.field({ type: [ApproverInput], description: "Who may decide. Where nobody was named: role admin." }),
    approvalTimeoutMinutes: t.int({
      description: "How many minutes they have to decide, at most 30 days; null: 24 hours.",
    }),
    callsPerDay: t.int({ description: "Calls of one UTC day; null takes the bound away." }),
    costPerCall: t.float({ description: "What one call costs; null takes it away." }),
    budgetPerMonth: t.float({ description: "What the calls of one UTC month may cost; null takes the bound away." }),
  }),
});

const SetLiveActionPolicyPayload = builder
  .objectRef<{ policy: LiveActionPolicy }>("SetLiveActionPolicyPayload")
  .implement({
    description: "The policy was set.",
    fields: (t) => ({ policy: t.expose("policy", { type: LiveActionPolicyObject, description: "As it is now." }) }),
  });

const LiveActionUsageObject = builder.objectRef<Usage>("LiveActionUsage").implement({
  description:
    "What was called of one vendor's capability. Dry runs and simulated dispatches call nobody, and don't count.",
  fields: (t) => ({
    vendorId: t.exposeString("vendorId", { description: "The vendor." }),
    capability: t.exposeString("capability", { description: "The verb." }),
    calls: t.exposeInt("calls", { description: "How many calls." }),
    cost: t.exposeFloat("cost", { description: "What they cost together, as the policies said at the time." }),
  }),
});

builder.mutationFields((t) => ({
  pinVendor: t.field({
    type: PinVendorPayload,
    description: "Pin the vendor that requests for a capability go to which name none.",
    authScopes: { permission: "live-action:govern" },
    errors: { types: [ValidationFailure, NotFoundFailure] },
    args: { input: t.arg({ type: PinVendorInput, required: true, description: "Which one." }) },
    resolve: async (_root, { input }, { operation, liveActions: { registry } }) => ({
      pin: await pinVendor(operation, registry, input),
    }),
  }),
  setLiveActionPolicy: t.field({
    type: SetLiveActionPolicyPayload,
    description:
      "Set what the tenant allows of a capability: approval, calls, cost. It holds for the next dispatch on.",
    authScopes: { permission: "live-action:govern" },
    errors: { types: [ValidationFailure] },
    args: { input: t.arg({ type: SetLiveActionPolicyInput, required: true, description: "What to allow." }) },
    resolve: async (_root, { input }, { operation }) => ({ policy: await setLiveActionPolicy(operation, input) }),
  }),
}));

builder.queryFields((t) => ({
  vendorPins: t.field({
    type: [VendorPinObject],
    description: "The tenant's pinned vendors, by capability.",
    authScopes: { permission: "live-action:read" },
    resolve: (_root, _args, { operation }) => listPins(operation),
  }),
  liveActionPolicies: t.field({
    type: [LiveActionPolicyObject],
    description: "The tenant's policies, by capability, those of all vendors first.",
    authScopes: { permission: "live-action:read" },
    resolve: (_root, _args, { operation }) => listPolicies(operation),
  }),
  liveActionUsage: t.field({
    type: [LiveActionUsageObject],
    description: "What the tenant called, and what it cost, by vendor and capability.",
    authScopes: { permission: "live-action:read" },
    args: {
      from: t.arg({ type: "DateTime", required: true, description: "Counted from the beginning of its UTC day." }),
      to: t.arg({ type: "DateTime", required: true, description: "Days that begin before it are counted whole." }),
    },
    resolve: (_root, span, { operation }) => listUsage(operation, span),
  }),
}));
