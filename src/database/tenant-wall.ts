import type { EntityManager } from "@mikro-orm/postgresql";

/** The role that the statements of requests run under: it sees the rows of one tenant, which `tenantVariable` names, and else none. */
export const requestRole = "riposte_requests";
export const tenantVariable = "riposte.tenant_id";

/**
 * Puts the wall between tenants below the application: row-level security on every table that has a `tenant_id`, and on `tenant` itself, for
 * the role of requests. The owner of the tables, as whom the engine and the background work connect, is not bound by it. Changes only what is
 * missing, so a table of a later version is walled when that version starts. What requests may do to tables that are only added to is in
 * `requestRights`; what an earlier version granted beyond that is taken back.
 * @returns Whether the wall stands; false where the database's user may not make roles.
 */
export async function raiseTenantWall(em: EntityManager): Promise<boolean> {
  try {
    // A savepoint: a refusal does not undo the migrations.
    await em.transactional((inner) => inner.execute(wallSql));
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** 42501: insufficient_privilege. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "42501";
}

/** What requests may do where it is not all four. These are only added to, and what the engine alone adds to, requests only read. */
const requestRights: Readonly<Record<string, string>> = {
  run_event: "select",
  audit_chain: "select",
  audit_entry: "select, insert",
  trigger_event: "select, insert",
  playbook_version: "select, insert",
  action_file: "select, insert",
};

const allRights = "select, insert, update, delete";
const rightsCase = Object.entries(requestRights)
  .map(([table, rights]) => `when '${table}' then '${rights}'`)
  .join(" ");

const currentTenant = `nullif((select current_setting('${tenantVariable}', true)), '')::uuid`;

// Roles belong to the server, not to the database: two databases may make it at once.
const wallSql = `
do $wall$
declare
  walled record;
begin
  if not exists (select from pg_roles where rolname = '${requestRole}') then
    begin
      create role ${requestRole} nologin noinherit;
    exception when duplicate_object or unique_violation then null;
    end;
  end if;
  if not pg_has_role(current_user, '${requestRole}', 'SET') then
    execute format('grant ${requestRole} to %I', current_user);
  end if;
  execute format('grant usage on schema %I to ${requestRole}', current_schema());
  for walled in
    select c.relname, a.attname, c.relrowsecurity, exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant_wall') as has_policy,
      w.rights,
      exists (select from unnest(string_to_array(w.rights, ', ')) as wanted where not has_table_privilege('${requestRole}', c.oid, wanted)) as lacks,
      exists (select from aclexplode(c.relacl) as given
        where given.grantee = '${requestRole}'::regrole and lower(given.privilege_type) <> all (string_to_array(w.rights, ', '))) as exceeds
    from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped,
      lateral (select case c.relname ${rightsCase} else '${allRights}' end as rights) w
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
      and a.attname = case when c.relname = 'tenant' then 'id' else 'tenant_id' end
  loop
    if not walled.relrowsecurity then
      execute format('alter table %I enable row level security', walled.relname);
    end if;
    if not walled.has_policy then
      execute format('create policy tenant_wall on %I to ${requestRole} using (%I = ${currentTenant.replaceAll("'", "''")})', walled.relname, walled.attname);
    end if;
    if walled.exceeds then
      execute format('revoke all on %I from ${requestRole}', walled.relname);
    end if;
    if walled.lacks or walled.exceeds then
      execute format('grant %s on %I to ${requestRole}', walled.rights, walled.relname);
    end if;
  end loop;
end
$wall$`;
