"""A cluster's certificate authority and the certificates of its parts, made by openssl."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .command import run

DAYS = "365"
OPENSSL_CONFIGURATION = Path(__file__).resolve().parent / "config" / "openssl.cnf"

# Python 3.13 verifies strictly (RFC 5280): a CA needs keyUsage, a leaf both key identifiers.
CA_EXTENSIONS = (
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier=hash",
)
LEAF_EXTENSIONS = (
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "subjectKeyIdentifier=hash",
    "authorityKeyIdentifier=keyid",
)


def authority(folder: Path) -> None:
    """Write ca.crt and ca.key."""
    _request(folder, "ca", "/CN=localcluster", CA_EXTENSIONS)


def server(folder: Path, name: str, alternatives: Iterable[str]) -> None:
    """Write NAME.crt and NAME.key of a server reached as `alternatives` ("DNS:…" or "IP:…")."""
    extensions = ("extendedKeyUsage=serverAuth", f"subjectAltName={','.join(alternatives)}")
    _request(folder, name, f"/CN={name}", (*LEAF_EXTENSIONS, *extensions), signed=True)


def client(folder: Path, name: str, user: str, group: str = "") -> None:
    """Write NAME.crt and NAME.key of a client that Kubernetes knows as `user` in `group`."""
    subject = (f"/O={group}" if group else "") + f"/CN={user}"
    _request(folder, name, subject, (*LEAF_EXTENSIONS, "extendedKeyUsage=clientAuth"), signed=True)


def key_pair(folder: Path, name: str) -> None:
    """Write NAME.key and NAME.pub, a key pair without a certificate."""
    _key(folder, name)
    run("openssl", "pkey", "-in", folder / f"{name}.key", "-pubout", "-out", folder / f"{name}.pub")


def _key(folder: Path, name: str) -> None:
    elliptic = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    run("openssl", "genpkey", *elliptic, "-out", folder / f"{name}.key")


def _request(folder: Path, name: str, subject: str, extensions: Iterable[str], signed: bool = False) -> None:
    _key(folder, name)
    signer = ("-CA", folder / "ca.crt", "-CAkey", folder / "ca.key") if signed else ()
    added = [word for extension in extensions for word in ("-addext", extension)]
    run(
        *("openssl", "req", "-x509", "-new", "-days", DAYS, "-config", OPENSSL_CONFIGURATION),
        *("-subj", subject, "-key", folder / f"{name}.key", "-out", folder / f"{name}.crt"),
        *signer,
        *added,
    )
