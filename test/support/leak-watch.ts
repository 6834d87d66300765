import type pg from "pg";
import { findInDatabase } from "./database-leaks.ts";
import { type Find, LeakFinder, type NotedSecret, secretCharactersMin } from "./leak-finder.ts";

/** Such as what bounds are tried with: one character over and over. */
const distinctCharactersMin = 4;
/** Of one place; when there is more, what there is is looked through, and forgotten. */
const heardCharactersMax = 32_000_000;

/**
 * Whether a find is no leak: the caller is the one who may see it.
 * @param before What was said before it in this place.
 */
export type Allow = (secret: NotedSecret, before: string) => boolean;

interface Place {
  readonly allow: Allow | undefined;
  texts: string[];
  length: number;
}

/** Secrets that a test file has used, and what could be read anywhere meanwhile. Everything it finds is told at once, at the end of the file. */
export class LeakWatch {
  readonly #secrets = new Set<string>();
  readonly #places = new Map<string, Place>();
  readonly #leaks = new Set<string>();
  readonly #finder = new LeakFinder();
  /** Noted, and not with the finder yet: forms are made only where there is something to look through. */
  #fresh: NotedSecret[] = [];
  readonly #isNotSecret: (secret: NotedSecret) => boolean;

  /** @param isNotSecret Whether a value is put where secrets are put, but may stand anywhere. */
  constructor(isNotSecret: (secret: NotedSecret) => boolean = () => false) {
    this.#isNotSecret = isNotSecret;
  }

  /** From now on the value may stand nowhere, nor earlier. Values that are too short, or of one character over and over, are not noted. */
  note(value: string, origin: string): void {
    if (value.length < secretCharactersMin || this.#secrets.has(value)) return;
    if (new Set(value.slice(0, 1_000)).size < distinctCharactersMin) return;
    const secret = { value, origin };
    if (this.#isNotSecret(secret)) return;
    this.#secrets.add(value);
    this.#fresh.push(secret);
  }

  /** Takes down what somebody could read in this place. Texts of one place are read as one, in their order. */
  hear(name: string, text: string, allow?: Allow): void {
    const place = this.#places.get(name) ?? { allow, texts: [], length: 0 };
    this.#places.set(name, place);
    place.texts.push(text);
    place.length += text.length;
    if (place.length > heardCharactersMax) this.#lookThrough(name, place);
  }

  /** Looks at every text of a database. */
  async search(client: pg.ClientBase): Promise<void> {
    if (this.#secrets.size === 0) return;
    for (const { place, find } of await findInDatabase(client, this.#ready())) this.#tell(place, find.secret);
  }

  /** Every leak up to now, each a line; from now on they are known. */
  leaks(): readonly string[] {
    for (const [name, place] of this.#places) this.#lookThrough(name, place);
    const leaks = [...this.#leaks];
    this.#leaks.clear();
    return leaks;
  }

  #lookThrough(name: string, place: Place): void {
    const text = place.texts.join("");
    place.texts = [];
    place.length = 0;
    for (const { secret, at } of this.#ready().find(text)) {
      if (!place.allow?.(secret, text.slice(0, at))) this.#tell(name, secret, contextOf(text, at));
    }
  }

  #ready(): LeakFinder {
    for (const secret of this.#fresh.splice(0)) this.#finder.add(secret);
    return this.#finder;
  }

  #tell(place: string, { value, origin }: NotedSecret, context?: string): void {
    const shown = `${JSON.stringify(value.slice(0, 4))}… of ${value.length} characters`;
    this.#leaks.add(
      `${place} shows a secret: ${origin} (${shown})${context === undefined ? "" : `, after ${context}`}`,
    );
  }
}

function contextOf(text: string, at: Find["at"]): string {
  return JSON.stringify(text.slice(Math.max(0, at - 80), at));
}
