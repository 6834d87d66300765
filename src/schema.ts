import "./graphql/scalars.ts";
import "./graphql/failures.ts";
import "./audit/graphql.ts";
import "./tenancy/graphql.ts";
import "./tenancy/graphql-audit.ts";
import "./tenancy/graphql-people.ts";
import "./secrets/graphql.ts";
import "./approvals/graphql-operations.ts";
import "./opservant/graphql.ts";
import "./opservant/graphql-tasks.ts";
import "./live-actions/graphql.ts";
import "./live-actions/graphql-catalogue.ts";
import "./live-actions/graphql-dispatches.ts";
import "./live-actions/graphql-governance.ts";
import "./actions/graphql-queries.ts";
import "./actions/graphql-mutations.ts";
import "./playbooks/graphql-operations.ts";
import "./runs/graphql-approvals.ts";
import "./runs/graphql-queries.ts";
import "./runs/graphql-mutations.ts";
import "./runs/graphql-subscriptions.ts";
import "./triggers/graphql-mutations.ts";
import { builder } from "./graphql/builder.ts";

/** The whole schema: every room's `graphql.ts` has added its part by being imported. `schema.graphql` is its print. */
export const schema = builder.toSchema();
