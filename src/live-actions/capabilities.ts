import type { Impact } from "./adapter.ts";

/** What a vendor-neutral verb means, whoever's product does it. */
export interface CapabilityFacts {
  readonly impact: Impact;
  /** The capability that undoes it. */
  readonly reversedBy?: string;
}

const readers = [
  ...["pull_alerts", "pull_audit", "pull_file", "pull_logs", "pull_pcap", "query_logs", "query_processes"],
  ...["pivot_domain", "pivot_hash", "pivot_host", "pivot_ip", "pivot_user"],
  ...["enrich_asset", "enrich_domain", "enrich_host", "enrich_ioc", "enrich_user", "enrich_vuln"],
  ...["get_host", "get_detections", "get_user_activity", "search_siem", "capture_forensics", "read_audit_trail"],
];

const writers: Readonly<Record<string, CapabilityFacts>> = {
  // Contain and remediate.
  block_domain: { impact: "HIGH", reversedBy: "allow_domain" },
  block_hash: { impact: "MODERATE", reversedBy: "allow_hash" },
  block_ioc: { impact: "MODERATE", reversedBy: "allow_ioc" },
  block_ip: { impact: "HIGH", reversedBy: "allow_ip" },
  block_user_signin: { impact: "HIGH", reversedBy: "enable_user" },
  disable_user: { impact: "HIGH", reversedBy: "enable_user" },
  force_mfa: { impact: "MODERATE" },
  isolate_host: { impact: "HIGH", reversedBy: "unisolate_host" },
  kill_process: { impact: "MODERATE" },
  quarantine_file: { impact: "MODERATE", reversedBy: "restore_file" },
  reset_password: { impact: "HIGH" },
  revoke_session: { impact: "MODERATE" },
  revoke_token: { impact: "MODERATE" },
  run_av_scan: { impact: "LOW" },
  run_script: { impact: "SEVERE" },
  suspend_session: { impact: "MODERATE", reversedBy: "enable_user" },
  unisolate_host: { impact: "MODERATE", reversedBy: "isolate_host" },
  // What undoes it.
  allow_domain: { impact: "MODERATE", reversedBy: "block_domain" },
  allow_hash: { impact: "MODERATE", reversedBy: "block_hash" },
  allow_ioc: { impact: "MODERATE", reversedBy: "block_ioc" },
  allow_ip: { impact: "MODERATE", reversedBy: "block_ip" },
  enable_user: { impact: "HIGH", reversedBy: "disable_user" },
  restore_file: { impact: "MODERATE", reversedBy: "quarantine_file" },
  // Detection content: the version before undoes it.
  sync_detection_rule: { impact: "MODERATE", reversedBy: "sync_detection_rule" },
  update_watcher: { impact: "MODERATE", reversedBy: "update_watcher" },
  update_alert_disposition: { impact: "LOW", reversedBy: "update_alert_disposition" },
  // Alerts, tickets, people.
  ack_alert: { impact: "LOW" },
  suppress_alert: { impact: "MODERATE" },
  create_notable_event: { impact: "LOW" },
  chatops_verify: { impact: "LOW" },
  push_case: { impact: "LOW" },
  push_status: { impact: "LOW" },
  create_ticket: { impact: "LOW" },
  notify: { impact: "LOW" },
};

/** The taxonomy of AiSOC's live actions. A capability outside it can be registered and dispatched all the same, with a warning. */
export const capabilities: ReadonlyMap<string, CapabilityFacts> = new Map<string, CapabilityFacts>(
  [...readers.map((name) => [name, { impact: "READ_ONLY" }] as const), ...Object.entries(writers)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  ),
);
