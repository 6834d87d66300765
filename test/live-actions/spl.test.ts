import { describe, expect, test } from "vitest";
import { isFieldName, splEval, splSearch, splText, writingCommand } from "../../src/live-actions/vendors/spl.ts";

/** Reads one quoted string of SPL from the beginning of a text. */
function readQuoted(spl: string): { value: string; rest: string } {
  const [whole = "", inner = ""] = /^"((?:\\.|[^"\\])*)"/.exec(spl) ?? [];
  return { value: inner.replace(/\\(.)/g, "$1"), rest: spl.slice(whole.length) };
}

const hostile = [
  'a" | delete',
  'a\\" | delete',
  'a\\\\" | delete',
  "\\",
  '"',
  "' or 1=1",
  "[search index=_internal]",
  "`notable`",
  "```comment```",
  "| rest /services",
  "$result.x$",
  "-rf --help",
  "ünïcode-😀→",
  "a;b&&c",
  "",
];

describe("a quoted text of SPL", () => {
  test.each(hostile)("is %j again, with nothing behind it", (text) => {
    expect(readQuoted(splText(text))).toEqual({ value: text, rest: "" });
  });

  test("has no line of its own", () => {
    expect(splText("a\r\n| delete\tb\u0000c")).toBe('"a | delete b c"');
    expect(splText("a\ud800")).toBe('"a\ufffd"');
  });

  test.each(hostile)("stays the value of its field: %j", (text) => {
    const spl = splEval([
      ["title", text],
      ["count", 7],
      ["open", true],
    ]);
    const { value, rest } = readQuoted(spl.slice("eval title=".length));
    expect({ value, rest }).toEqual({ value: text, rest: ', count="7", open="true"' });
  });
});

describe("a search", () => {
  test.each([
    ["| tstats count by host", "| tstats count by host"],
    ["  | makeresults", "| makeresults"],
    ["search index=main error", "search index=main error"],
    ["SEARCH index=main", "SEARCH index=main"],
    ["index=main error | head 5", "search index=main error | head 5"],
    ["searching", "search searching"],
    ["`macro` error", "search `macro` error"],
  ])("%s is run as %s", (query, spl) => {
    expect(splSearch({ query, phrase: "web-1" })).toBe(spl);
  });

  test("is kept to an index, save where it says itself where it looks", () => {
    const index = 'main" OR index="*';
    expect(splSearch({ query: "a OR b", phrase: "", index })).toBe('search index="main\\" OR index=\\"*" a OR b');
    expect(splSearch({ query: "| tstats count", phrase: "", index })).toBe("| tstats count");
  });

  test.each(hostile)("for the phrase %j is for nothing else", (phrase) => {
    const spl = splSearch({ phrase });
    expect(spl.startsWith("search ")).toBe(true);
    expect(readQuoted(spl.slice("search ".length))).toEqual({ value: phrase, rest: "" });
  });
});

describe("a command that writes", () => {
  test.each([
    ["index=main | delete", "delete"],
    ["index=main|OutputLookup x.csv", "outputlookup"],
    ["| sendalert notable", "sendalert"],
    ["index=main | append [| makeresults | collect index=x]", "collect"],
    ["index=main | append [ delete ]", "delete"],
    ['index=main | eval a="| head" | delete', "delete"],
    ['index=main | eval a="```" | delete | eval b="```"', "delete"],
    ['index=main ```it"s fine``` | delete | eval x="y"', "delete"],
    ["index=main | ```hidden``` delete", "delete"],
    ['index=main | eval a="open | delete', "delete"],
    ["index=main |\n\tdelete", "delete"],
    ["delete", "delete"],
  ])("is found in %j", (spl, command) => {
    expect(writingCommand(spl)).toBe(command);
  });

  test.each([[`index=main | eval y='"' | delete | eval z='"'`], [`index=main user="don't" | delete | eval z="won't"`]])(
    "is found in %j, whichever way its single quotes are read",
    (spl) => {
      expect(writingCommand(spl)).toBe("delete");
    },
  );

  test.each([
    [`index=main "it's" | stats count by delete | where x="isn't"`],
    ["index=main delete"],
    ["index=main | stats count by collect"],
    ['index=main "| delete"'],
    ["index=main ```| delete```"],
    ['index=main | eval a="x\\"| delete"'],
    ["| tstats count where index=main | table host, delete"],
  ])("is not found in %j", (spl) => {
    expect(writingCommand(spl)).toBeUndefined();
  });
});

test.each([
  ["src_ip", true],
  ["a".repeat(64), true],
  ["a".repeat(65), false],
  ["_time", false],
  ["a b", false],
  ['a="x"|delete', false],
  ["7a", false],
  ["", false],
])("%j is a field's name: %s", (name, expected) => {
  expect(isFieldName(name)).toBe(expected);
});
