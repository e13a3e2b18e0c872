"""One node with the MAIP API on plain HTTP, for the scripts that look at it from outside."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# How long the node may take until it takes writes: a bound for a broken build, never a measurement.
READY_S = 60


def cannot(why):
    """Exit 3: this machine cannot do what the script is for."""
    print(f"{pathlib.Path(sys.argv[0]).name}: {why}", file=sys.stderr)
    sys.exit(3)


def free_ports(count):
    """Ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Node:
    """A running node in a directory of its own; `with Node() as node:`."""

    def __enter__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="maip-api-"))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        client, peer, http = (f"127.0.0.1:{port}" for port in free_ports(3))
        self.url = f"http://{http}"
        self.process = None
        program = TARGET / "debug" / "maip-node"
        node = self.home / "node"
        subprocess.run(
            [program, "init", "--dir", node, "--node-id", "1"]
            + ["--origin", "main=maip.localhost/main", "--origin", "sandbox=maip.localhost/sandbox"]
            + ["--listen", client, "--peer-listen", peer, "--http-listen", http],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        config = node / "maip-node.toml"
        own = "\n[api]\nplain = true\nopen_registration = true\ncalls_a_minute = 1000000\nprivate_targets = true\n"
        config.write_text(config.read_text() + own)
        self.log = self.home / "node.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([program, "--config", config], stderr=log, stdin=subprocess.DEVNULL)
        self.admin_key = (node / "keys" / "admin.key").read_text().strip()
        deadline = time.monotonic() + READY_S
        while not (self.answers("/health/ready") and self.answers("/checkpoint")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the node does not serve:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def answers(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def post(self, path, body, key):
        headers = {"content-type": "application/json", "x-api-key": key}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def tenant(self, name, plan="enterprise"):
        """A new tenant: its API keys by environment. Its status is sealed, so that every log has something to prove."""
        made = self.post("/v1/tenants", {"name": name, "plan": plan}, self.admin_key)
        deadline = time.monotonic() + READY_S
        for log in ("", "/sandbox"):
            while not self.answers(f"{log}/status/{made['tenant_id']}"):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the status of {name} is not sealed")
                time.sleep(0.05)
        return {key["environment"]: key["secret"] for key in made["api_keys"]}

    def __exit__(self, *_):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
