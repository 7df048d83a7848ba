"""Servers of the outside: they answer whoever gets through, and remember it."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .netns import Netns
from .process import run

PAGE = b"hello from outside\n"
PKTINFO = {  # IP_PKTINFO, IPV6_RECVPKTINFO: ask which address a datagram was sent to
    socket.AF_INET: (socket.IPPROTO_IP, 8),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 49),
}


def _bound(netns: Netns, family: int, kind: int, port: int, address: str = "") -> socket.socket:
    sock = netns.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    return sock


class Authority:
    """A certificate authority of the lab's own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._openssl(
            *("req", "-x509", "-subj", "/CN=netenforce lab", "-days", "2"),
            *("-keyout", str(self._key), "-out", str(self.certificate)),
        )

    @staticmethod
    def _openssl(command: str, *arguments: str) -> None:
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        run("openssl", command, *new_key, *arguments)

    def issue(self, names: Iterable[str]) -> Path:
        """Make one file with a key and a certificate for names and addresses."""
        alternatives = ",".join(
            ("IP:" if name.replace(".", "").isdigit() or ":" in name else "DNS:") + name
            for name in names
        )
        key, certificate = self._folder / "server.key", self._folder / "server.crt"
        self._openssl(
            *("req", "-x509", "-subj", "/CN=outside", "-days", "2"),
            *("-CA", str(self.certificate), "-CAkey", str(self._key)),
            *("-addext", f"subjectAltName={alternatives}"),
            *("-keyout", str(key), "-out", str(certificate)),
        )
        both = self._folder / "server.pem"
        both.write_text(key.read_text() + certificate.read_text())
        return both


@dataclass(frozen=True)
class Request:
    """An HTTP request that reached the outside."""

    client: str
    method: str
    path: str
    tls: bool


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, sock: socket.socket, tls: bool, seen: list[Request]) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.tls = tls
        self.seen = seen
        self.server_activate()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is no event here."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer with the page, and write the request down first."""
        request = Request(self.client_address[0], self.command, self.path, self.server.tls)
        self.server.seen.append(request)
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr."""


class WebServer:
    """HTTP on port 80 and HTTPS on port 443, both families, all addresses."""

    def __init__(self, netns: Netns, authority: Authority, names: Iterable[str]) -> None:
        self.requests: list[Request] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue(names))
        self._servers = []
        for family in (socket.AF_INET, socket.AF_INET6):
            plain = _bound(netns, family, socket.SOCK_STREAM, 80)
            secure = _bound(netns, family, socket.SOCK_STREAM, 443)
            # The handshake belongs to the connection's own thread.
            secure = context.wrap_socket(secure, server_side=True, do_handshake_on_connect=False)
            self._servers.append(_Server(plain, False, self.requests))
            self._servers.append(_Server(secure, True, self.requests))

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


@dataclass(frozen=True)
class Contact:
    """A connection or datagram that a responder took."""

    proto: str
    port: int
    client: str


class Responder:
    """Takes connections and answers datagrams on many ports, and remembers each."""

    def __init__(
        self, netns: Netns, tcp: Iterable[int] = (), udp: Iterable[int] = (), address: str = ""
    ) -> None:
        self.contacts: list[Contact] = []
        self._selector = selectors.DefaultSelector()
        self._wake, wake = socket.socketpair()
        self._selector.register(wake, selectors.EVENT_READ)
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET]
        if not address:
            families.append(socket.AF_INET6)
        for family in families:
            for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
                for port in ports:
                    sock = _bound(netns, family, kind, port, address)
                    sock.setblocking(False)
                    if kind == socket.SOCK_STREAM:
                        sock.listen(128)
                    else:
                        sock.setsockopt(*PKTINFO[family], 1)
                    self._selector.register(sock, selectors.EVENT_READ, port)
        self._netns, self._tcp = netns, list(tcp)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if key.data is None:
                    return
                try:
                    self._answer(sock, key.data)
                except OSError:
                    pass  # the client is gone already

    def _answer(self, sock: socket.socket, port: int) -> None:
        if sock.type == socket.SOCK_STREAM:
            connection, client = sock.accept()
            self.contacts.append(Contact("tcp", port, client[0]))
            with connection:
                connection.sendall(PAGE)
            return
        data, to, _, client = sock.recvmsg(2048, 64)
        self.contacts.append(Contact("udp", port, client[0]))
        sock.sendmsg([data], to, 0, client)  # `to` came in as the destination, goes as the source

    def close(self) -> None:
        """Stop answering, and end what is still open.

        A client whose packets are refused acknowledges nothing: the kernel would send its answer
        again for minutes, to wherever the routes lead by then.
        """
        self._wake.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()
        for port in self._tcp:
            self._netns.run("ss", "--tcp", "--kill", f"sport = :{port}", check=False)
