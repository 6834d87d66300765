import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  getOperationAST,
} from "graphql";
import { createYoga, type Plugin } from "graphql-yoga";
import type { Log } from "../core/log.ts";
import type { Context } from "./builder.ts";
import { createDocuments, type Documents } from "./documents.ts";
import { createErrorMask, type MaskError, requestError, withoutSuggestion } from "./errors.ts";
import { costError } from "./operation-cost.ts";
import { resolveEvents, type StreamWatch } from "./stream-watch.ts";
import { variableErrors } from "./variables.ts";

/** Who asks, as the transport heard it. */
export interface Caller {
  /** The `Authorization` header, or `connectionParams.authorization` of a socket. */
  readonly authorization: string | undefined;
  readonly lastEventId?: string | undefined;
}

export interface PipelineOptions {
  readonly schema: GraphQLSchema;
  readonly log: Log;
  readonly introspection: "on" | "off";
  /** The context of one operation. Never throws for a bad token: the context is then not signed in. */
  createContext(caller: Caller): Promise<Context>;
  /** A context for the same caller with nothing remembered: each event of a subscription is resolved in one of its own. */
  renewContext(context: Context): Context;
}

/** What all transports share: documents, bounds, masking, execution. */
export interface Pipeline {
  readonly documents: Documents;
  readonly mask: MaskError;
  readonly schema: GraphQLSchema;
  readonly yoga: ReturnType<typeof createEdgeYoga>;
  /** Runs an operation; never throws, errors are in the result. */
  run(request: OperationRequest): Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>>;
}

export interface OperationRequest {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | null | undefined;
  readonly caller: Caller;
  /** Where it was made already. */
  readonly context?: Context;
}

export function createPipeline(options: PipelineOptions, watch: StreamWatch): Pipeline {
  const documents = createDocuments(options.schema, options.introspection);
  const mask = createErrorMask(options.log);
  const yoga = createEdgeYoga({ options, documents, mask, watch });
  return {
    documents,
    mask,
    schema: options.schema,
    yoga,
    async run({ query, operationName, variables, caller, context }) {
      try {
        const enveloped = yoga.getEnveloped({ caller, ...(context && { context }) });
        const document = enveloped.parse(query) as DocumentNode;
        const errors = enveloped.validate(options.schema, document);
        if (errors.length > 0) return { errors };
        const operation = getOperationAST(document, operationName);
        const args = {
          schema: options.schema,
          document,
          operationName,
          variableValues: variables,
          contextValue: await enveloped.contextFactory(),
        };
        return await (operation?.operation === "subscription" ? enveloped.subscribe(args) : enveloped.execute(args));
      } catch (error) {
        return { errors: [mask(error)] };
      }
    },
  };
}

interface EdgeParts {
  readonly options: PipelineOptions;
  readonly documents: Documents;
  readonly mask: MaskError;
  readonly watch: StreamWatch;
}

/** Envelop copies what it is given into a context of its own; so ours is carried in one field, and put in place at the end. */
interface Held {
  readonly held: Context;
}

type Given = Pick<OperationRequest, "caller" | "context">;

function createEdgeYoga({ options, documents, mask, watch }: EdgeParts) {
  return createYoga<Given, Held>({
    schema: options.schema,
    graphqlEndpoint: "/graphql",
    // Everything below is done by the server around it, or by our own plugin.
    logging: false,
    graphiql: false,
    landingPage: false,
    cors: false,
    multipart: false,
    batching: false,
    maxRequestBodySize: false,
    parserAndValidationCache: false,
    maskedErrors: { errorMessage: "", maskError: mask },
    context: async ({ caller, context }) => ({ held: context ?? (await options.createContext(caller)) }),
    plugins: [edgePlugin({ options, documents, mask, watch })],
  });
}

function edgePlugin({ options, documents, mask, watch }: EdgeParts): Plugin<Given & Held> {
  const shown = options.introspection === "off" ? withoutSuggestion : (error: GraphQLError) => error;
  return {
    onParse: ({ setParseFn }) =>
      setParseFn((source) => documents.parse(typeof source === "string" ? source : source.body)),
    onValidate: ({ setValidationFn }) => setValidationFn((_schema, document) => documents.validate(document)),
    onExecute({ args, executeFn, setExecuteFn, setResultAndStopExecution }) {
      const errors = refusalsOf(args).map(shown);
      if (errors.length > 0) return setResultAndStopExecution({ errors });
      setExecuteFn((given: ExecutionArgs) => executeFn({ ...given, contextValue: args.contextValue.held }));
    },
    onSubscribe({ args, setSubscribeFn, setResultAndStopExecution }) {
      const errors = refusalsOf(args).map(shown);
      if (errors.length > 0) return setResultAndStopExecution({ errors });
      const { caller, held } = args.contextValue;
      setSubscribeFn(async (given: ExecutionArgs) => {
        const source = await createSourceEventStream({ ...given, contextValue: held });
        if (!(Symbol.asyncIterator in source)) return source;
        const resolve = (event: unknown) =>
          execute({ ...given, rootValue: event, contextValue: options.renewContext(held) });
        return watch.guard(caller, resolveEvents(source, resolve, mask));
      });
    },
  };
}

/** Why a valid document may not be executed with these variables. */
function refusalsOf(args: ExecutionArgs): readonly GraphQLError[] {
  const operation = getOperationAST(args.document, args.operationName);
  if (!operation) {
    return [requestError("BAD_USER_INPUT", "Say by operationName which operation of the document is meant.")];
  }
  const variables = (args.variableValues ?? {}) as Record<string, unknown>;
  const errors = variableErrors(args.schema, operation, variables);
  if (errors.length > 0) return errors;
  const tooExpensive = costError({ schema: args.schema, document: args.document, operation, variables });
  return tooExpensive ? [tooExpensive] : [];
}
