import { p } from "@mikro-orm/core";
import { newId } from "../core/ids.ts";

/** Primary key of every table of ours: a UUIDv7, made by the process. */
export const identity = {
  id: p
    .uuid()
    .primary()
    .onCreate(() => newId()),
};

/** The wall between tenants: on every row that belongs to one, and in every query. */
export const tenantOwned = { tenantId: p.uuid() };

/** When a row was made and last changed. */
export const createdAt = { createdAt: p.datetime().onCreate(() => new Date()) };
export const updatedAt = {
  updatedAt: p
    .datetime()
    .onCreate(() => new Date())
    .onUpdate(() => new Date()),
};
