"""Test sends: what the status of a Report or ScheduledReport says of the last one."""

from typing import Annotated

from pydantic import Field

from report_operator.api.fields import Model

TOKEN_LENGTH = 1024
"""Characters of the annotation that count and are echoed."""


class Trial(Model):
    """A request to make the report and mail it to one address, by the annotation report-operator.io/test-send."""

    token: Annotated[str, Field(max_length=TOKEN_LENGTH)]
    """The value of the annotation."""
    message: Annotated[str, Field(max_length=2048)] | None = None
    """Why no test was made; not set when it was."""
