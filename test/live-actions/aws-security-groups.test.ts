import { allowIp, blockIp } from "../../src/live-actions/vendors/aws-security-groups.ts";
import { describeAdapter } from "./adapter-contract.ts";
import { type FakeRule, groupId, startAwsFake } from "./fakes/aws.ts";

const https: FakeRule = { id: "sgr-1", protocol: "tcp", fromPort: 443, toPort: 443, cidr: "203.0.113.7/32" };

describeAdapter(blockIp, {
  startFake: (behaviour) => startAwsFake(behaviour, { rules: [https] }),
  request: { requestId: "req-1", target: "203.0.113.7", params: {} },
  expectedCalls: [
    "EC2 DescribeSecurityGroups",
    "EC2 DescribeSecurityGroupRules",
    "EC2 RevokeSecurityGroupIngress",
    "EC2 DescribeSecurityGroupRules",
  ],
  expectedDetails: {
    success: true,
    ip: "203.0.113.7",
    cidr: "203.0.113.7/32",
    sg_id: groupId,
    revoked: [{ rule_id: "sgr-1", protocol: "tcp", from_port: 443, to_port: 443, cidr: "203.0.113.7/32" }],
    added: [],
  },
  afterEffect: 1,
  looksUpTarget: false,
  rollback: { expectedCalls: ["EC2 AuthorizeSecurityGroupIngress"] },
});

describeAdapter(allowIp, {
  startFake: (behaviour) => startAwsFake(behaviour, { rules: [] }),
  request: { requestId: "req-1", target: "203.0.113.7", params: { protocol: "tcp", port: 443 } },
  expectedCalls: ["EC2 AuthorizeSecurityGroupIngress"],
  expectedDetails: {
    success: true,
    ip: "203.0.113.7",
    sg_id: groupId,
    added: [{ rule_id: "sgr-new1", protocol: "tcp", from_port: 443, to_port: 443, cidr: "203.0.113.7/32" }],
  },
  looksUpTarget: false,
  rollback: { expectedCalls: ["EC2 RevokeSecurityGroupIngress"] },
});
