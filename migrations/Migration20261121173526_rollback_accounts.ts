import { Migration } from '@mikro-orm/migrations';

export class Migration20261121173526_rollback_accounts extends Migration {

  override name = 'Migration20261121173526_rollback_accounts';

  override up(): void | Promise<void> {
    this.addSql(`alter table "live_action_dispatch" add "given_credentials" jsonb null;`);
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "live_action_dispatch" drop column "given_credentials";`);
  }

}
