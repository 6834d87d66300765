import { builder } from "../graphql/builder.ts";

export const FileEncoding = builder.enumType("FileEncoding", {
  description: "How a file's content is written.",
  values: {
    UTF8: { description: "As it is." },
    BASE64: { description: "Its bytes in base64, with padding (RFC 4648, section 4)." },
  } as const,
});

export const LogStreamEnum = builder.enumType("LogStream", {
  description: "Where a log line comes from.",
  values: {
    STDOUT: { description: "What a script wrote to stdout." },
    STDERR: { description: "What a script wrote to stderr." },
    SYSTEM: { description: "What the product says about the attempt." },
  } as const,
});
