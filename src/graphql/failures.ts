import {
  ConflictFailure,
  type DomainFailure,
  type Issue,
  NotFoundFailure,
  StateFailure,
  ValidationFailure,
} from "../core/failures.ts";
import { builder } from "./builder.ts";

const FailureInterface = builder.interfaceRef<DomainFailure>("Failure").implement({
  description: "Why a mutation did not do what was asked. Nothing was changed.",
  fields: (t) => ({
    code: t.exposeString("code", { description: "Stable and lower_snake, for programs." }),
    message: t.exposeString("message", { description: "What was wrong and what to do, for people." }),
  }),
});

export const ValidationIssue = builder.objectRef<Issue>("ValidationIssue").implement({
  description: "One error or warning about a document or an invocation.",
  fields: (t) => ({
    path: t.exposeString("path", { description: "Where, in JSONPath style: `$.parameters[0].type`." }),
    code: t.exposeString("code", { description: "Stable and lower_snake, for programs." }),
    message: t.exposeString("message", { description: "What is wrong and what to do, for people." }),
    line: t.int({ nullable: true, description: "Line in the source text, from 1.", resolve: (issue) => issue.line }),
    column: t.int({
      nullable: true,
      description: "Column in the source text, from 1.",
      resolve: (issue) => issue.column,
    }),
  }),
});

builder.objectType(ValidationFailure, {
  name: "ValidationFailure",
  description: "The input is wrong; every problem of it is told at once.",
  interfaces: [FailureInterface],
  fields: (t) => ({
    issues: t.field({
      type: [ValidationIssue],
      description: "Every problem.",
      resolve: (failure) => [...failure.issues],
    }),
  }),
});
builder.objectType(ConflictFailure, {
  name: "ConflictFailure",
  description: "Something with this identity exists already, or differs from what was said before.",
  interfaces: [FailureInterface],
});
builder.objectType(NotFoundFailure, {
  name: "NotFoundFailure",
  description: "There is no such thing in the caller's tenant.",
  interfaces: [FailureInterface],
});
builder.objectType(StateFailure, {
  name: "StateFailure",
  description: "The thing exists, but its present state forbids what was asked.",
  interfaces: [FailureInterface],
});
