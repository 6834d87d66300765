import { Migration } from '@mikro-orm/migrations';

export class Migration20261121153745_live_actions extends Migration {

  override name = 'Migration20261121153745_live_actions';

  override up(): void | Promise<void> {
    this.addSql(`create table "live_action_dispatch" ("id" uuid not null, "tenant_id" uuid not null, "created_at" timestamptz not null, "request_id" varchar(255) not null, "mode" text not null, "state" text not null, "capability" varchar(128) not null, "vendor_id" varchar(128) null, "target" text not null, "params" jsonb not null, "sealed_credentials" text null, "case_id" varchar(255) null, "requested_by" varchar(255) null, "actor_kind" text not null, "actor_name" varchar(255) not null, "actor_id" uuid null, "input_hash" varchar(64) not null, "cost" double precision not null default 0, "approval_id" uuid null, "rollback_of_id" uuid null, "reason" text null, "lease_until" timestamptz null, "status" text null, "summary" text null, "details" jsonb null, "error" varchar(128) null, "warnings" jsonb null, "completed_at" timestamptz null, "changed_xid" bigint not null default ((pg_current_xact_id())::text)::bigint, primary key ("id"));`);
    this.addSql(`create index "live_action_dispatch_tenant_id_id_index" on "live_action_dispatch" ("tenant_id", "id");`);
    this.addSql(`create index "live_action_dispatch_tenant_id_changed_xid_index" on "live_action_dispatch" ("tenant_id", "changed_xid");`);
    this.addSql(`create index "live_action_dispatch_tenant_id_vendor_id_capabilit_01fbd_index" on "live_action_dispatch" ("tenant_id", "vendor_id", "capability", "created_at");`);
    this.addSql(`create index "live_action_dispatch_running" on "live_action_dispatch" ("lease_until") where "state" = 'RUNNING';`);
    this.addSql(`create unique index "live_action_dispatch_rolls_back_once" on "live_action_dispatch" ("rollback_of_id") where "rollback_of_id" is not null and ("status" is null or "status" = 'SUCCEEDED');`);
    this.addSql(`alter table "live_action_dispatch" add constraint "live_action_dispatch_tenant_id_mode_request_id_unique" unique ("tenant_id", "mode", "request_id");`);

    this.addSql(`create table "live_action_policy" ("id" uuid not null, "tenant_id" uuid not null, "capability" varchar(128) not null, "vendor_id" varchar(128) null, "require_approval" boolean not null default false, "approvers" jsonb not null, "calls_per_day" int null, "cost_per_call" double precision null, "budget_per_month" double precision null, primary key ("id"));`);
    this.addSql(`create unique index "live_action_policy_of" on "live_action_policy" ("tenant_id", "capability", coalesce("vendor_id", ''));`);

    this.addSql(`create table "live_action_usage" ("id" uuid not null, "tenant_id" uuid not null, "day" date not null, "capability" varchar(128) not null, "vendor_id" varchar(128) not null, "calls" int not null, "cost" double precision not null, primary key ("id"));`);
    this.addSql(`alter table "live_action_usage" add constraint "live_action_usage_tenant_id_day_capability_vendor_id_unique" unique ("tenant_id", "day", "capability", "vendor_id");`);

    this.addSql(`create table "vendor_pin" ("id" uuid not null, "tenant_id" uuid not null, "capability" varchar(128) not null, "vendor_id" varchar(128) not null, primary key ("id"));`);
    this.addSql(`alter table "vendor_pin" add constraint "vendor_pin_tenant_id_capability_unique" unique ("tenant_id", "capability");`);

    this.addSql(`alter table "approval" drop constraint "approval_is_of_a_step";`);
    this.addSql(`alter table "approval" add "dispatch_id" uuid null;`);
    this.addSql(`alter table "approval" add constraint "approval_is_of_a_step" check ((run_id is null) = (step_id is null) and (run_id is null or dispatch_id is null));`);

    this.addSql(`alter table "live_action_dispatch" add constraint "live_action_dispatch_completed_iff_result" check ((state = 'COMPLETED') = (status is not null) and (status is null) = (completed_at is null));`);
    this.addSql(`alter table "live_action_dispatch" add constraint "live_action_dispatch_failed_iff_error" check ((status = 'FAILED') = (error is not null));`);
    this.addSql(`alter table "live_action_dispatch" add constraint "live_action_dispatch_credentials_are_erased" check (state <> 'COMPLETED' or sealed_credentials is null);`);
    this.addSql(`alter table "live_action_dispatch" add constraint "live_action_dispatch_mode_check" check ("mode" in ('LIVE', 'DRY_RUN'));`);
    this.addSql(`alter table "live_action_dispatch" add constraint "live_action_dispatch_state_check" check ("state" in ('RUNNING', 'AWAITING_APPROVAL', 'COMPLETED'));`);
    this.addSql(`alter table "live_action_dispatch" add constraint "live_action_dispatch_actor_kind_check" check ("actor_kind" in ('TOKEN', 'MEMBER', 'AGENT', 'SYSTEM'));`);
    this.addSql(`alter table "live_action_dispatch" add constraint "live_action_dispatch_status_check" check ("status" in ('SUCCEEDED', 'SIMULATED', 'FAILED'));`);
  }

  override down(): void | Promise<void> {
    this.addSql(`drop table if exists "live_action_dispatch" cascade;`);
    this.addSql(`drop table if exists "live_action_policy" cascade;`);
    this.addSql(`drop table if exists "live_action_usage" cascade;`);
    this.addSql(`drop table if exists "vendor_pin" cascade;`);

    this.addSql(`alter table "approval" drop constraint "approval_is_of_a_step";`);
    this.addSql(`alter table "approval" drop column "dispatch_id";`);
    this.addSql(`alter table "approval" add constraint "approval_is_of_a_step" check ((run_id is null) = (step_id is null));`);
  }

}
