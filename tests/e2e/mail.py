"""Runs in the cluster: a mail server that takes everything, and shows on port 8000 whom it has got mails for.

A fake: the image has no mail server. Those of tests/run are real.
"""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAILS: list[dict[str, str]] = []


class Smtp(socketserver.StreamRequestHandler):
    """Takes mails."""

    def handle(self) -> None:
        """Answer until QUIT."""
        self.say("220 mail")
        mail: dict[str, str] = {}
        while line := self.rfile.readline().decode().strip():
            verb, _, argument = line.partition(" ")
            if verb == "DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                MAILS.append(mail | {"content": b"".join(lines).decode()})
            elif verb in ("MAIL", "RCPT"):
                mail[verb] = argument
            self.say("221 bye" if verb == "QUIT" else "250 OK")

    def say(self, answer: str) -> None:
        """Send a line."""
        self.wfile.write(f"{answer}\r\n".encode())


class Http(BaseHTTPRequestHandler):
    """Shows the mails."""

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps(MAILS).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingTCPServer):
    """Is there again at once."""

    allow_reuse_address = True


threading.Thread(target=Server(("", 2525), Smtp).serve_forever, daemon=True).start()
ThreadingHTTPServer(("", 8000), Http).serve_forever()
