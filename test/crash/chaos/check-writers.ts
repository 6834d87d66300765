import type { ChaosCluster } from "./cluster.ts";

/** No node wrote an event but while it was a member of the cluster, in the order in which the database committed. */
export async function checkWriters(cluster: ChaosCluster): Promise<string[]> {
  const strays = await cluster.query<{ writer: string; runId: string; sequence: number }>(straysSql);
  return strays.map(
    ({ writer, runId, sequence }) => `${writer} wrote event ${sequence} of ${runId} while it was no member`,
  );
}

// Declaring a node dead is the last change to its row. What the test itself moved in time was written by nobody.
const straysSql = `
select written_by as writer, run_id as "runId", sequence from run_event
where written_by <> 'time' and not exists (
  select from node
  where node.written_by = run_event.written_by and node.started_at <= pg_xact_commit_timestamp(run_event.xmin)
    and (node.left_at is null or pg_xact_commit_timestamp(node.xmin) >= pg_xact_commit_timestamp(run_event.xmin))
)`;
