import { Migration } from '@mikro-orm/migrations';

export class Migration20261121113535_initial extends Migration {

  override name = 'Migration20261121113535_initial';

  override up(): void | Promise<void> {
    this.addSql(`create table "action" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "uuid" uuid not null, "name" varchar(128) not null, "enabled" boolean not null, "active_version_id" uuid null, "type" text not null, "description" text not null, "tags" text[] not null, "executor_type" text not null, primary key ("id"));`);
    this.addSql(`alter table "action" add constraint "action_tenant_id_name_unique" unique ("tenant_id", "name");`);
    this.addSql(`alter table "action" add constraint "action_tenant_id_uuid_unique" unique ("tenant_id", "uuid");`);

    this.addSql(`create table "action_version" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "action_id" uuid not null, "version" varchar(32) not null, "major" int not null, "minor" int not null, "patch" int not null, "status" text not null default 'REGISTERED', "withdrawn_reason" text null, "definition" jsonb not null, "executor_type" text not null, primary key ("id"));`);
    this.addSql(`alter table "action_version" add constraint "action_version_action_id_major_minor_patch_unique" unique ("action_id", "major", "minor", "patch");`);

    this.addSql(`create table "action_file" ("id" uuid not null, "tenant_id" uuid not null, "version_id" uuid not null, "path" varchar(255) not null, "content" bytea not null, "sha256" varchar(64) not null, "bytes" int not null, "executable" boolean not null default false, primary key ("id"));`);
    this.addSql(`alter table "action_file" add constraint "action_file_version_id_path_unique" unique ("version_id", "path");`);

    this.addSql(`create table "node" ("id" serial primary key, "epoch" int not null default 1, "host" varchar(255) not null, "pid" int not null, "process_start" varchar(64) not null, "started_at" timestamptz not null default now(), "heartbeat_at" timestamptz not null default now(), "left_at" timestamptz null);`);

    this.addSql(`create table "playbook" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "key" varchar(128) not null, "enabled" boolean not null, "active_version_id" uuid not null, "name" varchar(255) not null, "description" text null, "tags" text[] not null, "event" varchar(64) not null, "trigger" jsonb not null, primary key ("id"));`);
    this.addSql(`create index "playbook_tenant_id_event_index" on "playbook" ("tenant_id", "event");`);
    this.addSql(`alter table "playbook" add constraint "playbook_tenant_id_key_unique" unique ("tenant_id", "key");`);

    this.addSql(`create table "playbook_version" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "playbook_id" uuid not null, "version" varchar(32) not null, "major" int not null, "minor" int not null, "patch" int not null, "source" text not null, "format" text not null, "document" jsonb not null, "pins" jsonb not null, primary key ("id"));`);
    this.addSql(`alter table "playbook_version" add constraint "playbook_version_playbook_id_major_minor_patch_unique" unique ("playbook_id", "major", "minor", "patch");`);

    this.addSql(`create table "run" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "kind" text not null, "status" text not null, "playbook_id" uuid null, "playbook_version_id" uuid null, "action_id" uuid null, "action_version_id" uuid null, "context" jsonb not null, "parameters" jsonb null, "sealed_secrets" text null, "sandbox" boolean not null default false, "dry_run" boolean not null default false, "started_by_kind" text not null, "started_by_name" varchar(255) not null, "started_by_id" uuid null, "idempotency_key" varchar(255) null, "input_hash" varchar(64) null, "owner_id" int null, "wake_at" timestamptz null, "started_at" timestamptz null, "finished_at" timestamptz null, "attempt" int not null default 1, "failed_step_count" int not null default 0, "simulated_step_count" int not null default 0, "error_code" varchar(255) null, "error_message" text null, "rerun_of_id" uuid null, "changed_xid" bigint not null default pg_current_xact_id()::text::bigint, primary key ("id"));`);
    this.addSql(`create index "run_tenant_id_created_at_id_index" on "run" ("tenant_id", "created_at", "id");`);
    this.addSql(`create index "run_tenant_id_changed_xid_index" on "run" ("tenant_id", "changed_xid");`);
    this.addSql(`create index "run_free" on "run" ("wake_at") where "wake_at" is not null;`);
    this.addSql(`create index "run_owned" on "run" ("owner_id") where "owner_id" is not null;`);
    this.addSql(`create index "run_of_playbook" on "run" ("tenant_id", "playbook_id", "id" desc) where "playbook_id" is not null;`);
    this.addSql(`create index "run_of_action" on "run" ("tenant_id", "action_id", "id" desc) where "action_id" is not null;`);
    this.addSql(`create unique index "run_idempotency_key" on "run" ("tenant_id", "idempotency_key") where "idempotency_key" is not null;`);

    this.addSql(`create table "run_event" ("run_id" uuid not null, "sequence" int not null, "tenant_id" uuid not null, "at" timestamptz not null, "run_attempt" int not null, "type" text not null, "step_id" varchar(128) null, "attempt" int null, "label" varchar(64) not null, "body" jsonb null, primary key ("run_id", "sequence"));`);

    this.addSql(`create table "run_signal" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "run_id" uuid not null, "type" text not null, "body" jsonb not null, primary key ("id"));`);
    this.addSql(`create index "run_signal_run_id_index" on "run_signal" ("run_id");`);

    this.addSql(`create table "secret" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "updated_at" timestamptz not null, "name" varchar(128) not null, "sealed" text not null, "key_id" varchar(64) not null, "last_used_at" timestamptz null, primary key ("id"));`);
    this.addSql(`alter table "secret" add constraint "secret_tenant_id_name_unique" unique ("tenant_id", "name");`);

    this.addSql(`create table "tenant" ("id" uuid not null, "created_at" timestamptz not null, "name" varchar(128) not null, "allow_self_approval" boolean not null default false, "new_actions_start_disabled" boolean not null default false, primary key ("id"));`);
    this.addSql(`alter table "tenant" add constraint "tenant_name_unique" unique ("name");`);

    this.addSql(`create table "api_token" ("id" uuid not null, "created_at" timestamptz not null, "tenant_id" uuid not null, "name" varchar(128) not null, "hash" varchar(64) not null, "roles" text[] not null, "expires_at" timestamptz null, "revoked_at" timestamptz null, "last_used_at" timestamptz null, primary key ("id"));`);
    this.addSql(`alter table "api_token" add constraint "api_token_hash_unique" unique ("hash");`);
    this.addSql(`create index "api_token_tenant_id_created_at_index" on "api_token" ("tenant_id", "created_at");`);

    this.addSql(`create table "variable" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "updated_at" timestamptz not null, "name" varchar(128) not null, "value" text not null, primary key ("id"));`);
    this.addSql(`alter table "variable" add constraint "variable_tenant_id_name_unique" unique ("tenant_id", "name");`);

    this.addSql(`alter table "action" add constraint "action_type_check" check ("type" in ('REMEDIATION', 'ENRICHMENT', 'NOTIFICATION', 'INVESTIGATION', 'CONTAINMENT'));`);
    this.addSql(`alter table "action" add constraint "action_executor_type_check" check ("executor_type" in ('LOCAL', 'REMOTE', 'OPSERVANT'));`);

    this.addSql(`alter table "action_version" add constraint "action_version_action_id_foreign" foreign key ("action_id") references "action" ("id");`);
    this.addSql(`alter table "action_version" add constraint "action_version_status_check" check ("status" in ('REGISTERED', 'HELD_BACK', 'WITHDRAWN'));`);
    this.addSql(`alter table "action_version" add constraint "action_version_executor_type_check" check ("executor_type" in ('LOCAL', 'REMOTE', 'OPSERVANT'));`);

    this.addSql(`alter table "action_file" add constraint "action_file_version_id_foreign" foreign key ("version_id") references "action_version" ("id");`);

    this.addSql(`alter table "playbook_version" add constraint "playbook_version_playbook_id_foreign" foreign key ("playbook_id") references "playbook" ("id");`);
    this.addSql(`alter table "playbook_version" add constraint "playbook_version_format_check" check ("format" in ('YAML', 'JSON'));`);

    this.addSql(`alter table "run" add constraint "run_finished_iff_terminal" check ((finished_at is not null) = (status in ('SUCCEEDED','FAILED','CANCELLED','TIMED_OUT','SKIPPED')));`);
    this.addSql(`alter table "run" add constraint "run_kind_names_what_runs" check ((kind = 'PLAYBOOK') = (playbook_version_id is not null));`);
    this.addSql(`alter table "run" add constraint "run_secrets_are_erased" check (finished_at is null or sealed_secrets is null);`);
    this.addSql(`alter table "run" add constraint "run_ended_has_no_owner" check (finished_at is null or owner_id is null);`);
    this.addSql(`alter table "run" add constraint "run_free_knows_when" check ((owner_id is null and finished_at is null) = (wake_at is not null));`);
    this.addSql(`alter table "run" add constraint "run_kind_check" check ("kind" in ('ACTION', 'PLAYBOOK'));`);
    this.addSql(`alter table "run" add constraint "run_status_check" check ("status" in ('QUEUED', 'RUNNING', 'WAITING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'CANCELLED', 'SKIPPED'));`);
    this.addSql(`alter table "run" add constraint "run_started_by_kind_check" check ("started_by_kind" in ('TOKEN', 'MEMBER', 'AGENT', 'SYSTEM'));`);

    this.addSql(`alter table "run_event" add constraint "run_event_type_check" check ("type" in ('RUN_STATUS', 'STEP_STATUS', 'LOG', 'NOTICE'));`);

    this.addSql(`alter table "run_signal" add constraint "run_signal_type_check" check ("type" in ('CANCEL'));`);

    this.addSql(`alter table "api_token" add constraint "api_token_tenant_id_foreign" foreign key ("tenant_id") references "tenant" ("id");`);
  }

  override down(): void | Promise<void> {
    this.addSql(`alter table "action_version" drop constraint "action_version_action_id_foreign";`);
    this.addSql(`alter table "action_file" drop constraint "action_file_version_id_foreign";`);
    this.addSql(`alter table "playbook_version" drop constraint "playbook_version_playbook_id_foreign";`);
    this.addSql(`alter table "api_token" drop constraint "api_token_tenant_id_foreign";`);

    this.addSql(`drop table if exists "action" cascade;`);
    this.addSql(`drop table if exists "action_version" cascade;`);
    this.addSql(`drop table if exists "action_file" cascade;`);
    this.addSql(`drop table if exists "node" cascade;`);
    this.addSql(`drop table if exists "playbook" cascade;`);
    this.addSql(`drop table if exists "playbook_version" cascade;`);
    this.addSql(`drop table if exists "run" cascade;`);
    this.addSql(`drop table if exists "run_event" cascade;`);
    this.addSql(`drop table if exists "run_signal" cascade;`);
    this.addSql(`drop table if exists "secret" cascade;`);
    this.addSql(`drop table if exists "tenant" cascade;`);
    this.addSql(`drop table if exists "api_token" cascade;`);
    this.addSql(`drop table if exists "variable" cascade;`);
  }

}
