import { limits } from "../core/limits.ts";

/** Class of the advisory locks that tell a node's session is alive; the object is the node's id. */
export const nodeLockClass = 7_264_022;

/** Registers a node, and forgets those that left long ago. */
export const joinSql = `
with forgotten as (delete from node where left_at < now() - interval '1 day')
insert into node (host, pid, process_start) values ($1, $2, $3) returning id, epoch, extract(epoch from clock_timestamp()) * 1000 as "databaseMs"`;

export const renewSql = `update node set heartbeat_at = now() where id = $1 and epoch = $2 and left_at is null
returning extract(epoch from clock_timestamp()) * 1000 as "databaseMs"`;

export const peersSql = `
select id, epoch, host, pid, process_start as "processStart", heartbeat_at < now() - $2 * interval '1 millisecond' as "isOverdue"
from node where left_at is null and id <> $1 order by id`;

interface DeadNode {
  readonly id: number;
  /** As it was seen. */
  readonly epoch: number;
  /** Whether its process is certainly gone. */
  readonly isGone: boolean;
}

/**
 * Declares a node dead and frees its runs: two statements that are one transaction, since they are sent together and without parameters.
 * The first waits for what that node has under way in the database (a flush, a claim); later ones find the epoch raised. Only the second sees what
 * that has written: a run that was begun or claimed by it would be left to a node that is no more, and a step that it began be taken for none.
 * Where the process may still be alive, a run with a step under way is free only from the end of the lease on.
 */
export function declareDeadSql({ id, epoch, isGone }: DeadNode): string {
  const [node, seen, isCertain] = [Math.trunc(id), Math.trunc(epoch), isGone ? "true" : "false"];
  return `
select from node where id = ${node} and epoch = ${seen} and left_at is null for update;
with dead as (
  update node set epoch = epoch + 1, left_at = now() where id = ${node} and epoch = ${seen} and left_at is null
  returning id, heartbeat_at
)
update run set owner_id = null, wake_at = case
    when ${isCertain} then now()
    when exists (
      select from (
        select distinct on (step_id) label from run_event where run_id = run.id and type = 'STEP_STATUS' order by step_id, sequence desc
      ) as last where last.label = 'RUNNING'
    ) then greatest(now(), dead.heartbeat_at + ${limits.leaseMs} * interval '1 millisecond')
    else now() end
from dead where run.owner_id = dead.id`;
}
