"""A TLS front for a plain port, with a certificate of its own authority."""

import shutil
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """Files of a server's certificate, its key, and the authority that signed it."""

    authority: Path
    chain: Path
    key: Path


def make_certificate(folder: Path, name: str) -> Certificate:
    """Makes an authority and a certificate for a host name or address, such as `IP:127.0.0.1`."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: apt-get install openssl")
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    signs = ("-days", "2", "-subj", "/CN=ca", "-addext", "keyUsage=keyCertSign")
    openssl(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", *signs)
    openssl(*new, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=clickhouse")
    # Python verifies strictly from 3.13 on, which asks for usage and issuer.
    extensions = f"subjectAltName={name}\nauthorityKeyIdentifier=keyid\n"
    (folder / "extensions").write_text(extensions, encoding="utf-8")
    signing = ("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key")
    openssl(*signing, "-out", "cert.pem", "-days", "2", "-extfile", "extensions", "-CAcreateserial")
    return Certificate(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")


class TlsFront:
    """Listens with TLS and passes what it hears to a plain port."""

    def __init__(self, certificate: Certificate, plain_port: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self._context, self._plain_port = context, plain_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Listens no more."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        try:
            secure = self._context.wrap_socket(client, server_side=True)
        except OSError:
            client.close()
            return
        # Only now: this build of ClickHouse aborts on a connection that says nothing.
        plain = socket.create_connection(("127.0.0.1", self._plain_port))
        threading.Thread(target=_copy, args=(plain, secure), daemon=True).start()
        _copy(secure, plain)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        source.close()
        target.close()
