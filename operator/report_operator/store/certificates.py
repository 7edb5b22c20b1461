"""The certificates that a store of one's own is trusted by."""

import re
from pathlib import Path

from report_operator.store.errors import StoreError

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


def read(file: Path) -> str:
    """Return the PEM certificates in a file, without what stands between them; raises StoreError.

    They go into namespaces of users, so a private key beside them must not, and comments need not be ASCII.
    """
    try:
        found = _CERTIFICATE.findall(file.read_bytes())
    except OSError as error:
        raise StoreError(f"The store's certificates cannot be read: {file}: {error.strerror}") from error
    if not found:
        raise StoreError(f"{file} holds no PEM certificate to trust the store by.")
    return "\n".join(each.decode("ascii") for each in found) + "\n"
