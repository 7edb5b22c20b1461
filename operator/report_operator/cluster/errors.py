"""What a call to the API server can fail with."""


class ClusterError(Exception):
    """The API server did not do what it was asked for. The text holds its own words."""


class NotFoundError(ClusterError):
    """There is no such object (HTTP 404)."""


class AlreadyExistsError(ClusterError):
    """There is an object of this name already (HTTP 409, reason AlreadyExists)."""


class ConflictError(ClusterError):
    """The object was changed since it was read (HTTP 409)."""


class ExpiredError(ClusterError):
    """A listing or watch goes on from where the API server does not remember any more (HTTP 410); begin anew."""


class RefusedError(ClusterError):
    """The request itself is refused: admission, quota, validation, permission (another HTTP 4xx)."""


class UnavailableError(ClusterError):
    """The API server cannot be reached or cannot answer now (no connection, HTTP 401, 429 and 5xx).

    `retry_after` is the number of seconds that it asks to wait, or None.
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after
