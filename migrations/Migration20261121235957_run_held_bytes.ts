import { Migration } from '@mikro-orm/migrations';

export class Migration20261121235957_run_held_bytes extends Migration {

  override name = 'Migration20261121235957_run_held_bytes';

  override up(): void | Promise<void> {
    this.addSql(`alter table "run" add "held_bytes" int null;`);
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "run" drop column "held_bytes";`);
  }

}
