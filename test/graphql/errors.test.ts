import { GraphQLError } from "graphql";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  BadInputError,
  BusyError,
  ConflictFailure,
  ForbiddenError,
  NotFoundFailure,
  UnauthenticatedError,
  ValidationFailure,
} from "../../src/core/failures.ts";
import { openToyEdge, type ToyEdge } from "./toy-edge.ts";

const canary = "s3cret-canary";

let edge: ToyEdge;
beforeAll(async () => {
  edge = await openToyEdge();
});
afterAll(() => edge.close());
beforeEach(() => {
  edge.toy.logged.length = 0;
});

async function errorOf(thrown: unknown) {
  edge.toy.boom = () => {
    throw thrown;
  };
  const { errors, data } = await edge.post("{ hello boom }");
  expect(data).toEqual({ hello: "Hello undefined", boom: null });
  expect(errors).toHaveLength(1);
  return errors?.[0];
}

describe("what a resolver throws", () => {
  test.each([
    [new UnauthenticatedError("Sign in."), "UNAUTHENTICATED"],
    [new ForbiddenError("Not you."), "FORBIDDEN"],
    [new BadInputError("No such cursor."), "BAD_USER_INPUT"],
    [new NotFoundFailure("There is no such run."), "NOT_FOUND"],
    [new ConflictFailure("name_taken", "It has this name."), "NAME_TAKEN"],
    [new GraphQLError("Ours.", { extensions: { code: "FORBIDDEN" } }), "FORBIDDEN"],
  ])("is told with its code: %s", async (thrown, code) => {
    expect(await errorOf(thrown)).toMatchObject({ message: thrown.message, path: ["boom"], extensions: { code } });
  });

  test("is told with every issue when the input was wrong", async () => {
    const issues = [{ path: "$.a", code: "required", message: "a is missing." }];
    expect(await errorOf(new ValidationFailure(issues))).toMatchObject({
      extensions: { code: "INVALID_INPUT", issues },
    });
  });

  test.each([
    new Error(`select * from secret where value = '${canary}'`, { cause: new Error("the cause") }),
    new TypeError(canary),
    new GraphQLError(canary),
    canary,
    { message: canary, stack: canary, extensions: { code: "FORBIDDEN" } },
    undefined,
  ])("is masked when it is a bug (%#)", async (thrown) => {
    const error = await errorOf(thrown);
    const id = error?.extensions?.["id"];
    expect(error).toMatchObject({
      message: `Internal error; quote ${id}.`,
      path: ["boom"],
      extensions: { code: "INTERNAL", id },
    });
    expect(JSON.stringify(error)).not.toContain(canary);
    const logged = edge.toy.logged.filter((line) => line.includes(String(id)));
    expect(logged).toHaveLength(1);
    if (thrown instanceof Error) expect(logged[0]).toContain("stack");
  });

  test.each([
    Object.assign(new Error("the database system is starting up"), { code: "57P03" }),
    Object.assign(new Error("sorry, too many clients already"), { code: "53300" }),
    Object.assign(new Error(`connect ENOENT /${canary}`), { code: "ENOENT", syscall: "connect" }),
    Object.assign(new Error("write EPIPE"), { code: "EPIPE", syscall: "write" }),
    Object.assign(new Error("terminating connection due to idle-in-transaction timeout"), { code: "25P03" }),
    new Error("Connection terminated unexpectedly"),
    new Error("Client has encountered a connection error and is not queryable"),
  ])("tells that the database is away, and not where it is: %s", async (thrown) => {
    const error = await errorOf(thrown);
    expect(error).toMatchObject({ path: ["boom"], extensions: { code: "UNAVAILABLE" } });
    expect(error?.message).toBe("The database can't be reached at the moment; try again.");
    expect(edge.toy.logged.join()).toContain("edge.database_away");
  });

  test.each([
    [new BusyError(), "The database is too busy at the moment; try again.", "edge.database_busy"],
    [
      new Error("timeout exceeded when trying to connect"),
      "The database is too busy at the moment; try again.",
      "edge.database_busy",
    ],
    [
      Object.assign(new Error("canceling statement due to lock timeout"), { code: "55P03" }),
      "Somebody else holds what this has to change; try again.",
      "edge.rows_locked",
    ],
  ])("tells that it waited for too long: %s", async (thrown, message, event) => {
    expect(await errorOf(thrown)).toMatchObject({ message, path: ["boom"], extensions: { code: "UNAVAILABLE" } });
    expect(edge.toy.logged.join()).toContain(event);
  });

  test.each([
    Object.assign(new Error("invalid message format"), { code: "08P01" }),
    Object.assign(new Error("no such file"), { code: "ENOENT", syscall: "open" }),
  ])("does not take a bug for a database that is away: %s", async (thrown) => {
    expect(await errorOf(thrown)).toMatchObject({ extensions: { code: "INTERNAL" } });
  });

  test("leaves its cause in the log", async () => {
    const error = await errorOf(new Error("outer", { cause: new Error("the inner cause") }));
    expect(edge.toy.logged.find((line) => line.includes(String(error?.extensions?.["id"])))).toContain(
      "the inner cause",
    );
  });
});

describe("a value that the schema can't answer", () => {
  test("is masked: it would be quoted", async () => {
    const { errors } = await edge.post("{ thing { colour } }");
    expect(errors).toMatchObject([{ path: ["thing", "colour"], extensions: { code: "INTERNAL" } }]);
    expect(JSON.stringify(errors)).not.toContain("a-secret-colour");
  });
});

describe("a context that can't be made", () => {
  test("is masked, with status 500", async () => {
    const broken = await openToyEdge({ createContext: () => Promise.reject(new Error(canary)) });
    const answer = await broken.post("{ hello }");
    expect(answer).toMatchObject({ status: 500, errors: [{ extensions: { code: "INTERNAL" } }] });
    expect(JSON.stringify(answer)).not.toContain(canary);
    await broken.close();
  });
});

describe("a document or a variable with a secret in the wrong place", () => {
  const withInput = "query ($i: ThingInput) { thing(input: $i) { name } }";

  test.each([
    ["a literal of the wrong type", `{ thing(input: { name: "x", count: "${canary}" }) { name } }`],
    ["an object instead of a text", `{ hello(name: { a: "${canary}" }) }`],
    ["a list instead of a text", `{ hello(name: ["${canary}"]) }`],
    ["a text instead of an object", `{ thing(input: "${canary}") { name } }`],
    ["a text instead of an enum value", `{ thing(input: { name: "x", colour: "${canary}" }) { name } }`],
    ["a text where none may stand", `{ hello "${canary}" }`],
    ["a block text where none may stand", `{ hello """${canary}""" }`],
    ["a text that does not end", `{ hello(name: "${canary}`],
    ["a default of the wrong type", `query ($n: Int = "${canary}") { hello @include(if: $n) }`],
    ["an id of the wrong type", `{ thing(id: { a: "${canary}" }) { name } }`],
    ["a scalar that does not parse", `{ thing(shout: "${canary}") { name } }`],
  ])("is told without it: %s", async (_what, query) => {
    const answer = await edge.post(query);
    expect(answer.errors?.length).toBeGreaterThan(0);
    expect(JSON.stringify([answer, edge.toy.logged])).not.toContain(canary);
  });

  test.each([
    ["a text for a number", { name: "x", count: canary }],
    ["an object for a text", { name: { a: canary } }],
    ["no value of the enum", { name: "x", colour: canary }],
    ["no value of the enum in a list", { name: "x", colours: ["RED", canary] }],
    ["a text for the whole input", canary],
    ["an unknown field that can't be one", { name: "x", [canary]: canary }],
    ['a text with "; in it', `x"; ${canary} at "y"; z`],
  ])("is told without it, as a variable: %s", async (_what, i) => {
    const answer = await edge.post(withInput, { i });
    expect(answer.errors).toMatchObject([{ extensions: { code: "BAD_USER_INPUT" } }]);
    expect(JSON.stringify([answer, edge.toy.logged])).not.toContain(canary);
  });

  test("is told with the place and the type of each mistake, all at once", async () => {
    const { errors } = await edge.post(withInput, { i: { count: 1.5, colour: 3, colours: ["RED", null], nme: "x" } });
    expect(errors?.map(({ message }) => message).sort()).toEqual([
      'Variable "$i" is wrong at "i": Field "name" of required type "String!" was not provided.',
      'Variable "$i" is wrong at "i": Field "nme" is not defined by type "ThingInput". Did you mean "name"?',
      'Variable "$i" is wrong at "i.colour": expected Colour.',
      'Variable "$i" is wrong at "i.colours[1]": a value is required here, null is none.',
      'Variable "$i" is wrong at "i.count": expected Int.',
    ]);
  });

  test("is told when a required variable is missing", async () => {
    const { errors } = await edge.post("query ($n: String!) { hello(name: $n) }");
    expect(errors).toMatchObject([{ message: 'Variable "$n" of required type "String!" was not provided.' }]);
  });
});

describe("the status of an answer", () => {
  const ask = async (query: string) => {
    const headers = { accept: "application/graphql-response+json" };
    return (await edge.post(query, {}, headers)).status;
  };

  test("says for clients of the new media type whether the operation was begun", async () => {
    expect(await ask("{ hello }")).toBe(200);
    expect(await ask("{ nope }")).toBe(400);
    expect(await ask("{")).toBe(400);
    expect(await ask("query ($n: String!) { hello(name: $n) }")).toBe(400);
  });
});
