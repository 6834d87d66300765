import { Migration } from '@mikro-orm/migrations';

export class Migration20261121204744_tenant_disabled extends Migration {

  override name = 'Migration20261121204744_tenant_disabled';

  override up(): void | Promise<void> {
    this.addSql(`alter table "tenant" add "disabled_at" timestamptz null, add "disabled_reason" text null;`);
    this.addSql(`alter table "tenant" add constraint "tenant_reason_only_while_disabled" check (disabled_reason is null or disabled_at is not null);`);
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "tenant" drop constraint "tenant_reason_only_while_disabled";`);
    this.addSql(`alter table "tenant" drop column "disabled_at", drop column "disabled_reason";`);
  }

}
