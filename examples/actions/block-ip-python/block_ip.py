"""Blocks an IP address. Arguments: JSON on stdin. Result: JSON on stdout. Log: stderr."""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request


def log(text):
    print(text, file=sys.stderr)


def ask(params, path, body=None):
    headers = {"Authorization": f"Bearer {params['fw_api_key']}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
        headers["Idempotency-Key"] = os.environ["IDEMPOTENCY_KEY"]
    request = urllib.request.Request(
        params["firewall_url"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers=headers,
    )
    # A proxy of the environment is none of this request's business.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        return json.load(response)


def block(params):
    ip_address = params["ip_address"]
    duration = params.get("duration_hours", 24)
    existing = ask(params, "/api/rules?" + urllib.parse.urlencode({"ip": ip_address}))
    if existing["count"] > 0:
        log(f"{ip_address} is blocked already")
        return {"status": "already_blocked", "data": existing["rules"][0]}
    log(f"Blocking {ip_address} for {duration} h")
    return ask(params, "/api/rules/block", {"ip": ip_address, "duration_h": duration})


def main():
    params = json.load(sys.stdin)
    try:
        result = block(params)
    except urllib.error.HTTPError as error:
        fail(str(error.code), f"The firewall answered {error.code}.")
    except OSError as error:
        fail("firewall_unreachable", str(error))
    else:
        json.dump(result, sys.stdout)


def fail(code, message):
    log(f"Failed: {message}")
    json.dump({"status": "error", "error": {"code": code, "message": message}}, sys.stdout)
    sys.exit(1)


if __name__ == "__main__":
    main()
