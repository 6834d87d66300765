import { Migration } from '@mikro-orm/migrations';

export class Migration20261121142120_playbook_language extends Migration {

  override name = 'Migration20261121142120_playbook_language';

  override up(): void | Promise<void> {
    this.addSql(`create table "approval" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "status" text not null, "message" text null, "approvers" jsonb not null, "run_id" uuid null, "step_id" varchar(128) null, "requester_id" uuid null, "effect" jsonb null, "expires_at" timestamptz null, "decided_at" timestamptz null, "decided_by_kind" text null, "decided_by_name" varchar(255) null, "decided_by_id" uuid null, "comment" text null, "changed_xid" bigint not null default ((pg_current_xact_id())::text)::bigint, primary key ("id"));`);
    this.addSql(`create index "approval_tenant_id_id_index" on "approval" ("tenant_id", "id");`);
    this.addSql(`create index "approval_tenant_id_status_id_index" on "approval" ("tenant_id", "status", "id");`);
    this.addSql(`create index "approval_tenant_id_changed_xid_index" on "approval" ("tenant_id", "changed_xid");`);

    this.addSql(`create table "playbook_change" ("tenant_id" uuid not null, "number" bigint not null, primary key ("tenant_id"));`);

    this.addSql(`create table "schedule" ("playbook_id" uuid not null, "tenant_id" uuid not null, "cron" varchar(128) not null, "timezone" varchar(64) not null, "next_at" timestamptz not null, primary key ("playbook_id"));`);
    this.addSql(`create index "schedule_next_at_index" on "schedule" ("next_at");`);

    this.addSql(`create table "trigger_event" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "type" varchar(64) not null, "key" varchar(512) not null, "at" timestamptz not null, "data" jsonb not null, "data_hash" varchar(64) not null, "emitted_by_kind" text not null, "emitted_by_name" varchar(255) not null, "emitted_by_id" uuid null, "playbook_id" uuid null, "run_id" uuid null, "step_id" varchar(128) null, "chain" jsonb null, "dispatched_at" timestamptz null, primary key ("id"));`);
    this.addSql(`create index "trigger_event_undispatched" on "trigger_event" ("created_at") where "dispatched_at" is null;`);
    this.addSql(`alter table "trigger_event" add constraint "trigger_event_tenant_id_type_key_unique" unique ("tenant_id", "type", "key");`);

    this.addSql(`alter table "run" add "event_id" uuid null, add "chain" jsonb null;`);
    this.addSql(`create index "run_of_event" on "run" ("event_id") where "event_id" is not null;`);
    this.addSql(`create index "run_of_chain" on "run" (("chain"->>'rootId')) where "chain" is not null;`);

    this.addSql(`alter table "run_signal" drop constraint "run_signal_type_check";`);
    this.addSql(`alter table "run_signal" add constraint "run_signal_type_check" check ("type" in ('CANCEL', 'APPROVAL', 'NOTICE'));`);

    this.addSql(`alter table "approval" add constraint "approval_decided_by_somebody" check ((status in ('APPROVED','REJECTED')) = (decided_at is not null) and (decided_at is null) = (decided_by_kind is null));`);
    this.addSql(`alter table "approval" add constraint "approval_is_of_a_step" check ((run_id is null) = (step_id is null));`);
    this.addSql(`alter table "approval" add constraint "approval_status_check" check ("status" in ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED', 'CLOSED'));`);
    this.addSql(`alter table "approval" add constraint "approval_decided_by_kind_check" check ("decided_by_kind" in ('TOKEN', 'MEMBER', 'AGENT', 'SYSTEM'));`);

    this.addSql(`alter table "schedule" add constraint "schedule_playbook_id_foreign" foreign key ("playbook_id") references "playbook" ("id") on update cascade on delete cascade;`);

    this.addSql(`alter table "trigger_event" add constraint "trigger_event_emitted_by_kind_check" check ("emitted_by_kind" in ('TOKEN', 'MEMBER', 'AGENT', 'SYSTEM'));`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "approval" cascade;`);
    this.addSql(`drop table if exists "playbook_change" cascade;`);
    this.addSql(`drop table if exists "schedule" cascade;`);
    this.addSql(`drop table if exists "trigger_event" cascade;`);

    this.addSql(`drop index "run_of_event";`);
    this.addSql(`drop index "run_of_chain";`);
    this.addSql(`alter table "run" drop column "event_id", drop column "chain";`);

    this.addSql(`alter table "run_signal" drop constraint "run_signal_type_check";`);
    this.addSql(`alter table "run_signal" add constraint "run_signal_type_check" check ("type" in ('CANCEL'));`);
  }

}
