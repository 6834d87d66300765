import { Migration } from '@mikro-orm/migrations';

export class Migration20261121203429_approval_expiry extends Migration {

  override name = 'Migration20261121203429_approval_expiry';

  override up(): void | Promise<void> {
    this.addSql(`create index "approval_of_dispatch_due" on "approval" ("expires_at") where "status" = 'PENDING' and "dispatch_id" is not null;`);

    this.addSql(`alter table "live_action_policy" add "approval_timeout_minutes" int null;`);

    // What waits already waits a day more, as what is asked for from now on does: nothing waits for ever.
    this.addSql(`update "approval" set "expires_at" = now() + interval '24 hours', "changed_xid" = pg_current_xact_id()::text::bigint where "status" = 'PENDING' and "dispatch_id" is not null and "expires_at" is null;`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop index "approval_of_dispatch_due";`);

    this.addSql(`alter table "live_action_policy" drop column "approval_timeout_minutes";`);
  }

}
