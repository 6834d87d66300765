import { formsOf } from "../canary/forms.ts";

/** A value that may stand nowhere in clear. */
export interface NotedSecret {
  readonly value: string;
  /** How it came to be known, such as `secret:edr-token` or `token`. */
  readonly origin: string;
}

/** That a secret stands in a text, from this character on. */
export interface Find {
  readonly secret: NotedSecret;
  readonly at: number;
}

/** Of a form, a few characters that one look at a text can meet. */
interface Block {
  readonly form: string;
  readonly secret: NotedSecret;
  /** Where in the form it begins. */
  readonly offset: number;
}

/** Shorter values stand in ordinary text by chance. No form of a value is shorter than the value. */
export const secretCharactersMin = 10;
/** Of a longer value its beginning is looked for. */
const searchedCharactersMax = 2_000;
const blockCharacters = 6;
/** From one look at a text to the next: whatever is long enough holds a block that begins at a look. */
const stride = secretCharactersMin - blockCharacters + 1;
/** Enough to tell by, of a secret that stands on every line. */
const findsMax = 50;
const hashBits = 20;

/** Finds secrets in any form, in one pass over a text however many there are. */
export class LeakFinder {
  readonly #blocks = new Map<string, Block[]>();
  /** Set where a block has this hash: most of a text is passed over by a look here. */
  readonly #hashes = new Uint8Array(1 << hashBits);

  add(secret: NotedSecret): void {
    for (const form of writtenForms(secret.value)) {
      for (let offset = 0; offset < stride; offset++) {
        const text = form.slice(offset, offset + blockCharacters);
        const blocks = this.#blocks.get(text) ?? [];
        this.#blocks.set(text, blocks);
        blocks.push({ form, secret, offset });
        this.#hashes[hashAt(form, offset)] = 1;
      }
    }
  }

  /** Where secrets stand in the text, in order; at most about 50. */
  find(text: string): Find[] {
    const finds: Find[] = [];
    if (this.#blocks.size === 0) return finds;
    for (let look = 0; look <= text.length - blockCharacters && finds.length < findsMax; look += stride) {
      if (this.#hashes[hashAt(text, look)] === 0) continue;
      for (const { form, secret, offset } of this.#blocks.get(text.slice(look, look + blockCharacters)) ?? []) {
        if (offset <= look && text.startsWith(form, look - offset)) finds.push({ secret, at: look - offset });
      }
    }
    return finds;
  }
}

/** Each form as it is, and as it stands in JSON. */
function writtenForms(value: string): ReadonlySet<string> {
  const forms = formsOf(value.slice(0, searchedCharactersMax).toWellFormed());
  return new Set(forms.flatMap((form) => [form, JSON.stringify(form).slice(1, -1)]));
}

function hashAt(text: string, at: number): number {
  const head = text.charCodeAt(at) * 1_089 + text.charCodeAt(at + 1) * 33 + text.charCodeAt(at + 2);
  const tail = text.charCodeAt(at + 3) * 1_089 + text.charCodeAt(at + 4) * 33 + text.charCodeAt(at + 5);
  return Math.imul(head ^ Math.imul(tail, 40_503), 0x9e3779b1) >>> (32 - hashBits);
}
