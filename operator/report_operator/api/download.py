"""The signed links to the files of a report."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from report_operator.api.fields import Duration, Model, between


class LinkPolicy(StrEnum):
    """Whether anybody who has a link can read the files."""

    ENABLED = "Enabled"
    """Links are in the status and in what is sent."""
    DISABLED = "Disabled"
    """No link is made at all: files are read with credentials of the store."""


class Download(Model):
    """The signed links in the status and in deliveries."""

    url_ttl: Annotated[Duration, between("1m", "168h")] = Field(default="24h", alias="urlTTL")
    """How long a link works: 1m to 168h, the longest that S3 signs; less where the store's own credentials end before.
    Those in `status.artifacts` are replaced in time as long as the files are kept."""
    links: LinkPolicy = LinkPolicy.ENABLED
    """Enabled, or Disabled: no links at all, neither in the status nor in deliveries. The platform team can disable
    them for all."""
