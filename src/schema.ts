import "./graphql/scalars.ts";
import "./graphql/failures.ts";
import { builder } from "./graphql/builder.ts";

/** The whole schema: every room's `graphql.ts` has added its part by being imported. `schema.graphql` is its print. */
export const schema = builder.toSchema();
