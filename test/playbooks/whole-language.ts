/** A playbook with every field that a playbook can have, but for those of live actions. */
export const wholeLanguage = `id: pb-whole-language
name: Whole language
version: "2.10.3"
description: Everything that a playbook can say.
trigger:
  event: schedule
  cron: "0 8 * * 1"
  timezone: Europe/Berlin
  conditions:
    isCatchUp: {$in: [false]}
on_failure: retry
max_retries: 2
timeout_minutes: 2880
tags: [whole, language]
enabled: false
steps:
  - id: is-serious
    name: Is it serious?
    type: condition
    expression: "{{ finding.cvss }} >= 7.0"
    on_true: next
    on_false: tell
    on_failure: abort
    max_retries: 1
    retry_delay: 2s
  - id: gather
    name: Gather
    type: parallel
    join: any
    timeout: 26h
    max_retries: 1
    retry_delay: 1m
    on_success: pause
    on_failure: tell
    branches:
      - id: look-up
        name: Look it up
        type: action
        action_ref: look-up@1.2
        parameters: {address: "{{ finding.source_ip }}", depth: 3}
        on_failure: retry
        max_retries: 2
        retry_delay: 10s
        timeout: 30s
        on_interrupt: fail
      - id: page
        action_ref: page-person
        on_failure: continue
      - id: a-day
        name: Wait a day
        type: delay
        duration: 1d
        timeout: 25h
      - id: ask-owner
        name: Ask the owner
        type: approval
        approvers: [{role: asset_owner}, {user: alice}]
        message: "May {{ finding.asset.name }} be patched?"
        timeout: 4h
        on_failure: abort
        on_timeout: abort
  - id: pause
    name: Pause
    type: delay
    duration: 1h30m
    timeout: 2h
    on_success: ask
  - id: ask
    name: Ask
    type: approval
    approvers:
      - role: security_lead
    message: "Patch now? {{ steps.look-up.output.summary }}"
    timeout: 8h
    on_success: patch
    on_failure: tell
    on_timeout: tell
  - id: patch
    name: Patch
    type: action
    action_ref: patch@2.0.1
    parameters: {finding: "{{ finding.id }}", by: "{{ steps.ask.output.decidedBy }}"}
    on_success: end
    on_failure: tell
    max_retries: 3
    retry_delay: 5m
    timeout: 1h
    on_interrupt: retry
  - id: tell
    name: Tell the team
    type: action
    action_ref: notify-team
`;
