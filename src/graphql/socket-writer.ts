import type { WebSocket } from "ws";
import { limits } from "../core/limits.ts";

export interface SocketWriter {
  /** Resolves when the bytes have left: the next result is asked for only then, so a slow reader costs no memory. */
  send(text: string): Promise<void>;
}

/**
 * Answers on one socket. From a client that asks and asks, and does not read what it is answered, nothing more is read until it does: no stream
 * has more than one answer on its way, but nothing else bounds pings and refusals.
 */
export function createSocketWriter(socket: WebSocket): SocketWriter {
  let unsent = 0;
  const write = (hand: (onSent: () => void) => void): void => {
    unsent += 1;
    if (unsent >= limits.webSocketUnsentMax) socket.pause();
    hand(() => {
      unsent -= 1;
      if (socket.isPaused && unsent <= limits.webSocketUnsentMax / 2) socket.resume();
    });
  };
  socket.on("ping", (data: Buffer) => {
    if (socket.readyState === socket.OPEN) write((onSent) => socket.pong(data, false, onSent));
  });
  return {
    send: (text) =>
      new Promise((resolve) => {
        if (socket.readyState !== socket.OPEN) return resolve();
        write((onSent) =>
          socket.send(text, () => {
            onSent();
            resolve();
          }),
        );
      }),
  };
}
