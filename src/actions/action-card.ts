import type { ActionDefinition } from "./definition.ts";
import { type Action, actionTypes, executorTypes } from "./entities.ts";

/** What the catalogue's card shows of a version: copied to the action, so that a page of the catalogue is one statement. */
export function cardOf(definition: ActionDefinition): Pick<Action, "type" | "description" | "tags" | "executorType"> {
  const { type, description, tags = [], executor } = definition;
  return {
    type: actionTypes.find((word) => word === type.toUpperCase())!,
    description,
    tags: [...tags],
    executorType: executorTypes.find((word) => word === executor.type.toUpperCase())!,
  };
}
