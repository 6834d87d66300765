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

/**
 * Declares a node dead and frees its runs. FOR UPDATE waits for a flush of that node that is under way; later ones find the epoch raised.
 * Where its process may still be alive ($3 false), a run with a step under way is free only from the end of the lease on.
 * $1 node, $2 epoch as it was seen, $3 whether the process is certainly gone, $4 lease in milliseconds.
 */
export const declareDeadSql = `
with dead as (
  select id, heartbeat_at from node where id = $1 and epoch = $2 and left_at is null for update
), declared as (
  update node set epoch = epoch + 1, left_at = now() from dead where node.id = dead.id
)
update run set owner_id = null, wake_at = case
    when $3::boolean then now()
    when exists (
      select from (
        select distinct on (step_id) label from run_event where run_id = run.id and type = 'STEP_STATUS' order by step_id, sequence desc
      ) as last where last.label = 'RUNNING'
    ) then greatest(now(), dead.heartbeat_at + $4 * interval '1 millisecond')
    else now() end
from dead where run.owner_id = dead.id`;
