import { Transform } from "node:stream";

/** What PostgreSQL sends, but for the messages that a LISTEN is answered with later. Of connections without TLS. */
export function withoutNotifications(): Transform {
  let rest: Buffer = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let from = 0;
      let at = 0;
      while (at + headLength <= bytes.length) {
        // A type of one byte, then the length of all that follows the type.
        const end = at + 1 + bytes.readUInt32BE(at + 1);
        if (end > bytes.length) break;
        if (bytes[at] === notificationResponse) {
          this.push(bytes.subarray(from, at));
          from = end;
        }
        at = end;
      }
      if (at > from) this.push(bytes.subarray(from, at));
      rest = bytes.subarray(at);
      done();
    },
  });
}

const headLength = 5;
/** @see https://www.postgresql.org/docs/18/protocol-message-formats.html */
const notificationResponse = "A".charCodeAt(0);
