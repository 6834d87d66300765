#!/usr/bin/env bash
# Arguments that are no secrets come in the order the definition declares them, and all of them as PARAM_<NAME>.
# What curl prints on stdout is the result; what goes to stderr is the log.
set -euo pipefail

IP_ADDRESS="$1"
DURATION="${2:-24}"
FIREWALL_URL="$3"

fail() {
  echo "Failed: $1" >&2
  printf '{"status": "error", "error": {"code": "firewall_refused", "message": "%s"}}' "$1"
  exit 1
}

echo "Blocking ${IP_ADDRESS} for ${DURATION} h" >&2

# The key goes in by a file descriptor: arguments of a command can be read by every process of its user.
curl -sf --max-time 20 -X POST "${FIREWALL_URL}/api/rules/block" \
  -H "Content-Type: application/json" \
  -H "Idempotency-Key: ${IDEMPOTENCY_KEY}" \
  -H @<(printf 'Authorization: Bearer %s' "${PARAM_FW_API_KEY}") \
  -d "{\"ip\": \"${IP_ADDRESS}\", \"duration_h\": ${DURATION}}" ||
  fail "curl ended with exit code $?."
