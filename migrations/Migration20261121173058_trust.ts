import { Migration } from '@mikro-orm/migrations';

export class Migration20261121173058_trust extends Migration {

  override name = 'Migration20261121173058_trust';

  override up(): void | Promise<void> {
    this.addSql(`create table "agent" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "name" varchar(128) not null, "hash" varchar(64) not null, "version" varchar(64) null, "last_seen_at" timestamptz null, "connection" uuid null, "connected_until" timestamptz null, "revoked_at" timestamptz null, primary key ("id"));`);
    this.addSql(`alter table "agent" add constraint "agent_hash_unique" unique ("hash");`);
    this.addSql(`create index "agent_tenant_id_created_at_index" on "agent" ("tenant_id", "created_at");`);
    this.addSql(`create unique index "agent_name_in_use" on "agent" ("tenant_id", "name") where "revoked_at" is null;`);

    this.addSql(`create table "agent_enrolment" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "name" varchar(128) not null, "hash" varchar(64) not null, "expires_at" timestamptz not null, "used_at" timestamptz null, primary key ("id"));`);
    this.addSql(`alter table "agent_enrolment" add constraint "agent_enrolment_hash_unique" unique ("hash");`);
    this.addSql(`create index "agent_enrolment_tenant_id_created_at_index" on "agent_enrolment" ("tenant_id", "created_at");`);

    this.addSql(`create table "agent_task" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "agent_id" uuid not null, "run_id" uuid not null, "step_id" varchar(128) not null, "run_attempt" int not null, "attempt" int not null, "idempotency_key" varchar(255) not null, "action_name" varchar(128) not null, "action_version" varchar(64) not null, "action_version_id" uuid not null, "entry" varchar(1024) not null, "timeout_ms" int not null, "is_repeatable" boolean not null, "sealed_parameters" text null, "status" text not null, "lease_until" timestamptz null, "cancel_requested_at" timestamptz null, "deadline_at" timestamptz not null, "finished_at" timestamptz null, "exit_code" int null, "result" jsonb null, "error" jsonb null, "answer_hash" varchar(8) null, "line_count" int not null default 0, "line_offset" int not null default 0, "restart_line" int not null default 0, primary key ("id"));`);
    this.addSql(`create index "agent_task_open" on "agent_task" ("agent_id", "id") where "finished_at" is null;`);
    this.addSql(`alter table "agent_task" add constraint "agent_task_run_id_step_id_run_attempt_attempt_unique" unique ("run_id", "step_id", "run_attempt", "attempt");`);

    this.addSql(`create table "agent_task_line" ("task_id" uuid not null, "line" int not null, "tenant_id" uuid not null, "stream" varchar(16) not null, "text" text not null, primary key ("task_id", "line"));`);

    this.addSql(`create table "audit_chain" ("tenant_id" uuid not null, "sequence" bigint not null, "hash" varchar(64) not null, "sealed" text not null, primary key ("tenant_id"));`);

    this.addSql(`create table "audit_entry" ("id" uuid not null, "tenant_id" uuid not null, "at" timestamptz not null, "actor_kind" varchar(16) not null, "actor_id" uuid null, "actor_name" varchar(255) not null, "operation" varchar(64) not null, "subject" varchar(512) null, "outcome" varchar(64) not null, "detail" jsonb null, "sequence" bigint null, "previous_hash" varchar(64) null, "hash" varchar(64) null, primary key ("id"));`);
    this.addSql(`create index "audit_entry_unsealed" on "audit_entry" ("tenant_id", "id") where "sequence" is null;`);
    this.addSql(`alter table "audit_entry" add constraint "audit_entry_tenant_id_sequence_unique" unique ("tenant_id", "sequence");`);

    this.addSql(`alter table "agent_task" add constraint "agent_task_secrets_are_erased" check (finished_at is null or sealed_parameters is null);`);
    this.addSql(`alter table "agent_task" add constraint "agent_task_status_check" check ("status" in ('OFFERED', 'RUNNING', 'COMPLETED', 'CANCELLED', 'EXPIRED'));`);

    this.addSql(`alter table "audit_entry" add constraint "audit_entry_sealed_whole" check ((sequence is null) = (hash is null) and (sequence is not null or previous_hash is null));`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "agent" cascade;`);
    this.addSql(`drop table if exists "agent_enrolment" cascade;`);
    this.addSql(`drop table if exists "agent_task" cascade;`);
    this.addSql(`drop table if exists "agent_task_line" cascade;`);
    this.addSql(`drop table if exists "audit_chain" cascade;`);
    this.addSql(`drop table if exists "audit_entry" cascade;`);
  }

}
