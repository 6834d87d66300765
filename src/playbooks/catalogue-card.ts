import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { Playbook } from "./entities.ts";

/** What the catalogue shows of a playbook: that of the document that is active. */
export function cardOf(document: JsonObject): Pick<Playbook, "name" | "description" | "tags" | "event" | "trigger"> {
  const { name, description, tags, trigger } = document;
  const card = isJsonObject(trigger) ? trigger : {};
  return {
    name: String(name),
    description: typeof description === "string" ? description : null,
    tags: Array.isArray(tags) ? tags.map(String) : [],
    event: String(card["event"]),
    trigger: card,
  };
}
