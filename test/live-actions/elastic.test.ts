import { searchElastic } from "../../src/live-actions/vendors/elastic-search.ts";
import { updateWatcher } from "../../src/live-actions/vendors/elastic-watches.ts";
import { describeAdapter } from "./adapter-contract.ts";
import { startElasticFake } from "./fakes/elastic.ts";

const rows = [{ "host.name": "web-1", count: 7 }];
const former = { trigger: { schedule: { interval: "1h" } } };

describeAdapter(searchElastic, {
  startFake: (behaviour) => startElasticFake(behaviour, { rows }),
  request: {
    requestId: "req-1",
    target: "web-1",
    params: { query: "FROM logs-* | STATS count = COUNT(*) BY host.name" },
  },
  expectedCalls: ["POST /_query?format=json&drop_null_columns=true"],
  expectedDetails: { backend: "elastic", language: "esql", result_count: 1, results: rows },
  looksUpTarget: false,
});

describeAdapter(updateWatcher, {
  startFake: (behaviour) => startElasticFake(behaviour, { watches: { shells: { watch: former, active: false } } }),
  request: {
    requestId: "req-1",
    target: "shells",
    params: { watcher_body: { trigger: { schedule: { interval: "5m" } } } },
  },
  expectedCalls: [
    "GET /_watcher/watch/shells",
    "PUT /_watcher/watch/shells?active=true&if_seq_no=1&if_primary_term=1",
    "PUT /_watcher/watch/shells/_activate",
  ],
  expectedDetails: { watcher_id: "shells", activated: true, created: false, prior: { watch: former, active: false } },
  afterEffect: 1,
  looksUpTarget: false,
  rollback: { expectedCalls: ["PUT /_watcher/watch/shells?active=false"] },
});
