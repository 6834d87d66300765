import { createNotableEvent } from "../../src/live-actions/vendors/splunk-notable.ts";
import { syncDetectionRule } from "../../src/live-actions/vendors/splunk-rules.ts";
import { searchSplunk } from "../../src/live-actions/vendors/splunk-search.ts";
import { describeAdapter } from "./adapter-contract.ts";
import { job, jobs, login, results, startSplunkFake } from "./fakes/splunk.ts";

const rows = [{ host: "web-1", count: "7" }];
const path = "/servicesNS/nobody/search/saved/searches";

describeAdapter(searchSplunk, {
  startFake: (behaviour) => startSplunkFake(behaviour, { results: rows }),
  request: { requestId: "req-1", target: "web-1", params: { query: "index=main | stats count by host" } },
  expectedCalls: [login, jobs, job, results],
  expectedDetails: {
    backend: "splunk",
    query: "search index=main | stats count by host",
    result_count: 1,
    results: rows,
  },
  signIn: login,
  looksUpTarget: false,
});

describeAdapter(createNotableEvent, {
  startFake: (behaviour) => startSplunkFake(behaviour, {}),
  request: { requestId: "req-1", target: "web-1", params: { event_title: "Web shell", severity: "high" } },
  expectedCalls: [login, jobs, job],
  afterEffect: 1,
  expectedDetails: { title: "Web shell", rule_name: "Web shell", severity: "high" },
  signIn: login,
  looksUpTarget: false,
});

describeAdapter(syncDetectionRule, {
  startFake: (behaviour) =>
    startSplunkFake(behaviour, {
      rules: { "Web shell": { search: "index=old", "alert.severity": 3, disabled: false } },
    }),
  request: { requestId: "req-1", target: "Web shell", params: { query: "index=main shell", severity: "high" } },
  expectedCalls: [login, `GET ${path}/Web%20shell?output_mode=json`, `POST ${path}/Web%20shell`],
  expectedDetails: {
    rule_name: "Web shell",
    created: false,
    settings: { search: "index=main shell", "alert.severity": "4" },
    prior: { search: "index=old", "alert.severity": "3" },
  },
  signIn: login,
  looksUpTarget: false,
  rollback: { expectedCalls: [login, `POST ${path}/Web%20shell`] },
});
