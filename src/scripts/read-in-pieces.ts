import type { Socket } from "node:net";

/** What is handed on at once: as many as a thousand lines. */
const pieceBytes = 1_024;

export interface PieceReader {
  /** Resolves when everything that has been read is handed on. */
  caughtUp(): Promise<void>;
  /** Hands nothing on of what comes from now. Resolves as {@link caughtUp}. */
  end(): Promise<void>;
}

/**
 * Hands on what comes, in small pieces, and reads on when they are taken: who writes waits meanwhile.
 * @param room What to wait for before the next piece; undefined while there is nothing.
 */
export function readInPieces(
  stream: Socket,
  take: (piece: Buffer) => void,
  room?: () => Promise<void> | undefined,
): PieceReader {
  let isOver = false;
  let handing = Promise.resolve();
  const handOn = async (chunk: Buffer): Promise<void> => {
    for (let at = 0; at < chunk.length; at += pieceBytes) {
      await room?.();
      take(chunk.subarray(at, at + pieceBytes));
    }
    stream.resume();
  };
  stream.on("data", (chunk: Buffer) => {
    if (isOver) return;
    stream.pause();
    handing = handOn(chunk);
  });
  return {
    caughtUp: () => handing,
    end() {
      isOver = true;
      return handing;
    },
  };
}
