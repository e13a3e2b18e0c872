#!/usr/bin/env python3
"""An agent that does steps of workflows: the Python of the guide on orchestration, with nothing but the standard library.

    MAIP_URLS=http://127.0.0.1:8080,http://127.0.0.1:8081 MAIP_KEY=maip_live_... MAIP_AGENT=maip-agent:... ./workflow_agent.py

It asks for work, claims a step, does it, and says what came out; then it asks again, until it is told to end. A node that does not
answer costs it one call: the next one knows as much. What it does with a step is the function `do`: put yours there.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

URLS = os.environ["MAIP_URLS"].split(",")
KEY = os.environ["MAIP_KEY"]
AGENT = os.environ["MAIP_AGENT"]
# A claim whose answer was lost is made again under the same name.
CLAIM = uuid.uuid4().hex
# Longer than a node lets a call for work wait.
TIMEOUT_S = 15
WAIT_S = 5


class Refused(Exception):
    """A node's no: asking another node is no use."""


def call(method, path, body=None):
    """Asks one node after the other until one answers."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    for turn in range(30 * len(URLS)):
        url = URLS[turn % len(URLS)].rstrip("/") + path
        try:
            request = urllib.request.Request(url, data, headers, method=method)
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            if error.code < 500 and error.code != 429:
                raise Refused(f"{error.code} {said}") from None
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("no node answers")


def do(step):
    """The amount of an invoice, as a model might read it."""
    number = step["inputs"]["invoice"]
    return {"amount": 100 + number, "currency": "EUR"}


def main():
    while True:
        work = call("GET", f"/v1/agents/{AGENT}/work?wait_seconds={WAIT_S}")
        for step in work["items"]:
            path = f"/v1/orchestrations/{step['orchestration_id']}/steps/{step['step_id']}"
            said = {"agent_id": AGENT, "attempt": step["attempt"]}
            try:
                step = call("POST", path + "/claim", {"agent_id": AGENT, "claim_id": CLAIM})
                said["attempt"] = step["attempt"]
                call("POST", path + "/complete", {**said, "output": do(step)})
                print("done", step["orchestration_id"], step["step_id"], flush=True)
            except Refused as no:
                # Another program of this agent has it, or the run is over.
                print("left", step["orchestration_id"], step["step_id"], no, file=sys.stderr, flush=True)
            except (KeyError, TypeError) as wrong:
                error = {"code": "BAD_INPUT", "message": repr(wrong)}
                call("POST", path + "/fail", {**said, "error": error, "retryable": False})


if __name__ == "__main__":
    main()
