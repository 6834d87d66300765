import { Action, ActionFile, ActionVersion } from "./actions/entities.ts";
import { Approval } from "./approvals/entities.ts";
import { AuditChain, AuditEntry } from "./audit/entities.ts";
import { LiveActionDispatch, LiveActionPolicy, LiveActionUsage, VendorPin } from "./live-actions/entities.ts";
import { Agent, AgentEnrolment, AgentTask, AgentTaskLine } from "./opservant/entities.ts";
import { Playbook, PlaybookChange, PlaybookVersion, Schedule } from "./playbooks/entities.ts";
import { ClusterNode, Run, RunEvent, RunSignal, TriggerEvent } from "./runs/entities.ts";
import { Secret, Variable } from "./secrets/entities.ts";
import { ApiToken, Person, Tenant } from "./tenancy/entities.ts";

/** Every table of the product, for MikroORM and its migrations. */
export const entities = [
  Tenant,
  ApiToken,
  Person,
  AuditEntry,
  AuditChain,
  Secret,
  Variable,
  Action,
  ActionVersion,
  ActionFile,
  Playbook,
  PlaybookVersion,
  PlaybookChange,
  Schedule,
  Approval,
  AgentEnrolment,
  Agent,
  AgentTask,
  AgentTaskLine,
  LiveActionDispatch,
  VendorPin,
  LiveActionPolicy,
  LiveActionUsage,
  ClusterNode,
  Run,
  RunEvent,
  RunSignal,
  TriggerEvent,
];
