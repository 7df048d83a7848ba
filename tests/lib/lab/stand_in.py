"""A little HTTP server on a Unix socket that answers in the place of dockerd, or of netenforced."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = tuple[int, Any]


def no_such(_method: str, _path: str, _body: bytes) -> Answer:
    """What is not among the answers is not there."""
    return 404, {"message": "no such"}


class StandIn:
    """By path: what is said with status 200; a status and what is said; or as bytes the beginning of an
    answer, behind which the connection ends."""

    def __init__(
        self,
        path: Path,
        answers: dict[str, Any],
        otherwise: Callable[[str, str, bytes], Answer] = no_such,
    ) -> None:
        self.path = path
        self.answers = answers
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                found = stand_in.answers.get(self.path)
                if found is None:
                    found = otherwise(self.command, self.path, asked)
                status, said = found if isinstance(found, tuple) else (200, found)
                cut = isinstance(said, bytes)
                body = said if cut else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) + cut))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PATCH = do_POST = do_DELETE = _answer  # noqa: N815 (the library's names)

            def log_message(self, *_: object) -> None:
                pass

            def address_string(self) -> str:
                return "unix"

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it; nobody listens there any more."""
        self._server.shutdown()
        self._server.server_close()
        self.path.unlink(missing_ok=True)
