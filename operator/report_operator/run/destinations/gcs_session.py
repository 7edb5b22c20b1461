"""HTTP of Google's library, held to where the policy lets buckets be: by itself it goes where servers send it."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import requests
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import AuthorizedSession, Request

_LONGEST = 1_000_000_000
"""Seconds that a token can be said to be good for."""


def session(credentials: Any, token_uri: str, check: Callable[[str], None]) -> requests.Session:
    """Return a session that shows a token and follows no redirect.

    `check` is asked before each request, as a store names the URL of an upload in parts itself. `token_uri` is where
    the tokens come from that the key of a user names; empty when Google's own servers have them.
    """
    made = _Authorized(credentials, auth_request=_Tokens(token_uri))
    made.check = check
    return made


class _Direct(requests.Session):
    """Takes a redirect for an answer like any other."""

    def get_redirect_target(self, _resp: requests.Response) -> None:
        return None


class _Authorized(_Direct, AuthorizedSession):
    check: Callable[[str], None]

    def send(self, request: requests.PreparedRequest, **further: Any) -> requests.Response:
        self.check(request.url or "")
        return super().send(request, **further)


class _Tokens(Request):
    """Asks for tokens. The library puts answers that it does not know into messages, or stumbles over them."""

    def __init__(self, token_uri: str) -> None:
        super().__init__(_Direct())
        self._token_uri = token_uri

    def __call__(self, url: str, *further: Any, **more: Any) -> Any:
        answer = super().__call__(url, *further, **more)
        if url == self._token_uri and not _is_known(answer.data):
            said = f"HTTP {answer.status}, and not the answer of a server for tokens (RFC 6749)"
            passing = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise RefreshError(f"{said}: correct token_uri in the key", retryable=passing)
        return answer


def _is_known(content: bytes) -> bool:
    """Return whether an answer is a token or a refusal as RFC 6749 has them (sections 5.1 and 5.2)."""
    try:
        found = json.loads(content)
    except ValueError:
        return False
    if not isinstance(found, dict):
        return False
    if "error" in found:
        return isinstance(found["error"], str) and isinstance(found.get("error_description", ""), str)
    lasting = found.get("expires_in", 0)
    return isinstance(found.get("access_token"), str) and isinstance(lasting, int) and 0 <= lasting <= _LONGEST
