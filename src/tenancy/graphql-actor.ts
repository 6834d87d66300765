import { builder } from "../graphql/builder.ts";
import type { Actor } from "./operation-context.ts";

export const ActorKind = builder.enumType("ActorKind", {
  description: "What kind of caller did something.",
  values: {
    TOKEN: { description: "An API token." },
    MEMBER: { description: "A person, by a JWT." },
    AGENT: { description: "An on-premises agent." },
    SYSTEM: { description: "The product itself: a schedule, an event, a chain." },
  } as const,
});

/** Who did something, as it was then: the token may be gone by now. */
export const ActorObject = builder.objectRef<Pick<Actor, "kind" | "name">>("Actor").implement({
  description: "Who did something.",
  fields: (t) => ({
    kind: t.field({ type: ActorKind, description: "What kind of caller.", resolve: ({ kind }) => kind }),
    name: t.exposeString("name", { description: "What people read: a token's name, a person's, an agent's." }),
  }),
});
