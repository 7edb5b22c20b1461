"""Runs in the cluster: /rows.json has rows, /status/404 answers 404, /flaky answers 503 once and then has rows.

What is posted is kept, and can be read at /inbox.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

ROWS = b'[{"city": "Oslo", "visits": 3}, {"city": "Lima", "visits": 5}]'


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    flaky = False
    inbox: ClassVar[list[dict[str, object]]] = []

    def do_GET(self) -> None:
        """Answer."""
        status = 200
        if self.path.startswith("/status/"):
            status = int(self.path.rpartition("/")[2])
        if self.path == "/flaky" and not Handler.flaky:
            Handler.flaky, status = True, 503
        body = json.dumps(Handler.inbox).encode() if self.path == "/inbox" else ROWS
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Keep a message, and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        Handler.inbox.append({"path": self.path, "headers": headers, "body": body})
        self.do_GET()


class Server(ThreadingHTTPServer):
    """Keeps many runs waiting that come at once, and refuses none."""

    request_queue_size = 128


Server(("", 8000), Handler).serve_forever()
