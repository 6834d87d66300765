import type { AdapterCall } from "../adapter.ts";
import { assumeRole, openSecurityGroup, type SecurityGroupApi } from "./aws-ec2.ts";
import type { AwsAccess } from "./aws-sdk.ts";
import { invalid } from "./read-params.ts";
import { readServerAddress } from "./server-address.ts";

export interface OpenedGroup {
  readonly group: SecurityGroupApi;
  readonly groupId: string;
  readonly region: string;
}

/**
 * The security group that the call's credentials name, asked for with them or with the role that they name.
 * @param at Another group and region than theirs: those of a call that is rolled back.
 * @throws InvalidRequest where one of them can't be used; what assuming the role throws.
 */
export async function openGroup(
  { credentials, http }: AdapterCall,
  at: { readonly groupId?: string; readonly region?: string } = {},
): Promise<OpenedGroup> {
  const groupId = at.groupId ?? credentials["aws_security_group_id"] ?? "";
  const region = at.region ?? (credentials["aws_region"] || "us-east-1");
  // It becomes a part of the host that is connected to.
  if (!/^[a-z]{2}(-[a-z]+)+-\d{1,2}$/.test(region))
    throw invalid("`aws_region` is to be a region's name, e.g. eu-central-1.");
  const given = credentials["aws_endpoint_url"];
  const endpoint = given ? readServerAddress(given, 443)?.href : undefined;
  if (given && endpoint === undefined)
    throw invalid("`aws_endpoint_url` is to be an http or https URL without a user or query.");
  const sessionToken = credentials["aws_session_token"];
  const access: AwsAccess = {
    credentials: {
      accessKeyId: credentials["aws_access_key_id"] ?? "",
      secretAccessKey: credentials["aws_secret_access_key"] ?? "",
      ...(sessionToken && { sessionToken }),
    },
    region,
    endpoint,
    http,
  };
  const role = credentials["aws_role_arn"];
  const own = role ? { ...access, credentials: await assumeRole(access, roleOf(role, credentials)) } : access;
  return { group: await openSecurityGroup(own, groupId), groupId, region };
}

function roleOf(arn: string, credentials: AdapterCall["credentials"]) {
  const sessionName = credentials["aws_session_name"] || "riposte";
  if (!/^[\w+=,.@-]{2,64}$/.test(sessionName)) {
    throw invalid("`aws_session_name` is to be 2 to 64 letters, digits and characters of _+=,.@-.");
  }
  return { arn, sessionName, externalId: credentials["aws_external_id"] || undefined };
}
