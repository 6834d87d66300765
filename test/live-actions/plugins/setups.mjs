// Setups that can't be used, one for each query of the module's address.
const sound = { vendorId: "setups", capability: "get_host", description: "Of a test.", execute() {} };

const setups = {
  throws: () => {
    throw new RangeError("No licence.");
  },
  exits: () => process.exit(0),
  loops: () => {
    for (;;);
  },
  registersNothing: () => {},
  registersText: ({ registerExecutor }) => registerExecutor("isolate_host"),
  hasNoExecute: ({ registerExecutor }) => registerExecutor({ ...sound, execute: undefined }),
  hasNoVendor: ({ registerExecutor }) => registerExecutor({ ...sound, vendorId: "" }),
  hasNoCapability: ({ registerExecutor }) => registerExecutor({ ...sound, capability: undefined }),
  hasNoDescription: ({ registerExecutor }) => registerExecutor({ ...sound, description: " " }),
  hasOddImpact: ({ registerExecutor }) => registerExecutor({ ...sound, impact: "NONE" }),
  hasNoCredentials: ({ registerExecutor }) => registerExecutor({ ...sound, requiresCredentials: true }),
  registersTwice: ({ registerExecutor }) => {
    registerExecutor(sound);
    registerExecutor({ ...sound });
  },
  isBuiltin: ({ registerExecutor }) =>
    registerExecutor({ ...sound, vendorId: "crowdstrike", capability: "isolate_host" }),
  isGood: ({ registerExecutor }) => registerExecutor({ ...sound, vendorId: "good" }),
  takesCredentials: ({ registerExecutor }) => registerExecutor({ ...sound, credentialParams: ["okta_api_token"] }),
};

const { searchParams } = new URL(import.meta.url);
export const setup = setups[[...searchParams.keys()][0]];
