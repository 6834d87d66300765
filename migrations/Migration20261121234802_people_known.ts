import { Migration } from '@mikro-orm/migrations';

export class Migration20261121234802_people_known extends Migration {

  override name = 'Migration20261121234802_people_known';

  override up(): void | Promise<void> {
    this.addSql(`create table "person" ("id" uuid not null, "tenant_id" uuid not null, "roles" text[] not null, "issued_at" timestamptz null, "revoked_at" timestamptz null, "revoked_before" timestamptz null, primary key ("id", "tenant_id"));`);
    this.addSql(`create index "person_tenant_id_issued_at_index" on "person" ("tenant_id", "issued_at");`);

    this.addSql(`alter table "person" add constraint "person_revoked_before_an_instant" check ((revoked_at is null) = (revoked_before is null));`);
    this.addSql(`alter table "person" add constraint "person_came_or_was_revoked" check (issued_at is not null or revoked_at is not null);`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "person" cascade;`);
  }

}
