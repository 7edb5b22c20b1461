"""Runs in the cluster: /rows.json has rows, /status/404 answers 404, /flaky answers 503 once and then has rows."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROWS = b'[{"city": "Oslo", "visits": 3}, {"city": "Lima", "visits": 5}]'


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    flaky = False

    def do_GET(self) -> None:
        """Answer."""
        status = 200
        if self.path.startswith("/status/"):
            status = int(self.path.rpartition("/")[2])
        if self.path == "/flaky" and not Handler.flaky:
            Handler.flaky, status = True, 503
        self.send_response(status)
        self.send_header("Content-Length", str(len(ROWS)))
        self.end_headers()
        self.wfile.write(ROWS)


class Server(ThreadingHTTPServer):
    """Keeps many runs waiting that come at once, and refuses none."""

    request_queue_size = 128


Server(("", 8000), Handler).serve_forever()
