/** Room for so many at once; the others wait in line. */
export interface Slots {
  /** Resolves, when there is room, with what gives it back. @throws the signal's reason */
  take(signal: AbortSignal): Promise<() => void>;
}

export function createSlots(countMax: number): Slots {
  let taken = 0;
  const line = new Set<() => void>();
  const give = (): void => {
    taken -= 1;
    const [next] = line;
    next?.();
  };
  return {
    async take(signal) {
      signal.throwIfAborted();
      while (taken >= countMax) {
        await new Promise<void>((resolve, reject) => {
          const leave = (): void => {
            line.delete(enter);
            reject(signal.reason);
          };
          const enter = (): void => {
            line.delete(enter);
            signal.removeEventListener("abort", leave);
            resolve();
          };
          line.add(enter);
          signal.addEventListener("abort", leave, { once: true });
        });
      }
      taken += 1;
      return give;
    },
  };
}
