"""A verifier as a tenant might run it: takes claims by POST, answers later at the path that it was told.

Usage: verifier.py NODE_URL API_KEY. Prints its address, then one line for each verdict.
"""

import http.server
import json
import sys
import threading
import urllib.request

NODE, KEY = sys.argv[1:]


class Verifier(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        news = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(202)
        self.end_headers()
        threading.Thread(target=judge, args=(news,)).start()

    def log_message(self, *_):
        pass


def judge(news):
    holds = "right" in news["claim"]["assertion"]
    verdict = {
        "result": "confirmed" if holds else "rejected",
        "verification_method": "external",
        "tool_id": news["tool_id"],
        "confidence": 0.75,
    }
    request = urllib.request.Request(NODE + news["verdict_path"], data=json.dumps(verdict).encode(), method="POST")
    request.add_header("content-type", "application/json")
    request.add_header("x-api-key", KEY)
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(json.loads(answer.read())["status"], flush=True)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Verifier)
print(f"http://127.0.0.1:{server.server_port}/claims", flush=True)
server.serve_forever()
