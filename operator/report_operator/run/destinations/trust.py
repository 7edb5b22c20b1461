"""Whom a destination's connection trusts."""

import ssl

import httpx

from report_operator.api.conditions import Reason
from report_operator.api.sources import SecretSource
from report_operator.run.failure import RunError
from report_operator.run.mounts import place_of, secret_value
from report_operator.run.workspace import Workspace


def trust(workspace: Workspace, authorities: SecretSource | None) -> ssl.SSLContext:
    """Return the TLS settings of a client: only these PEM certificates are trusted, the public ones without.

    Raises RunError: SecretNotFound, InvalidSpec.
    """
    if authorities is None:
        return httpx.create_ssl_context()
    selector = authorities.secret_key_ref
    try:
        return ssl.create_default_context(cadata=secret_value(workspace, selector))
    except ssl.SSLError as error:
        text = f"{place_of(selector)} holds no PEM certificate: {error.reason}"
        raise RunError(Reason.INVALID_SPEC, text) from error
