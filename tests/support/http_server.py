"""A real HTTP server on loopback that answers as a test says."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """What the server sends."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """Content-Length, when it is not to be the body's."""


@dataclass(frozen=True)
class Asked:
    """A request that the server got."""

    method: str
    path: str
    """With the query."""
    headers: dict[str, str]
    """Names in small letters."""
    body: bytes


@dataclass
class HttpServer:
    """A running server."""

    url: str
    """Without a slash at the end."""
    respond: Callable[[Asked], Answer] = lambda _: Answer(status=404)
    """Set by the test; called for each request."""
    asked: list[Asked] = field(default_factory=list)
    """Every request, in order."""

    def answer(self, body: str | bytes = b"", status: int = 200, **headers: str) -> None:
        """Answer every request from now on so; `Content_Type="…"` is the header Content-Type."""
        content = body.encode() if isinstance(body, str) else body
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.respond = lambda _: Answer(content, status, fields)


@contextlib.contextmanager
def running(host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[HttpServer]:
    """Start a server on a loopback address and port, by default a free one; end it afterwards."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Asked(self.command, self.path, headers, body)
            server.asked.append(request)
            answer = server.respond(request)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(answer.body)
            self.close_connection = answer.length is not None

        do_DELETE = do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

    with ThreadingHTTPServer((host, port), Handler) as listener:
        listener.daemon_threads = True
        if tls is not None:
            listener.socket = tls.wrap_socket(listener.socket, server_side=True)
        server = HttpServer(url=f"http{'s' if tls else ''}://{host}:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
