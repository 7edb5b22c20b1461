"""The signed links to the files of a report."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from report_operator.api.fields import Duration, Model, between
from report_operator.api.trial import TOKEN_LENGTH


class LinkPolicy(StrEnum):
    """Whether anybody who has a link can read the files."""

    ENABLED = "Enabled"
    """Links are in the status and in what is sent."""
    DISABLED = "Disabled"
    """No link is made at all: files are read with credentials of the store."""


class Refresh(StrEnum):
    """When the links in the status are replaced by new ones."""

    AUTO = "Auto"
    """In time, as long as the files are kept; at once when they are asked for."""
    ON_DEMAND = "OnDemand"
    """When they are asked for, by the annotation report-operator.io/refresh-links."""
    NEVER = "Never"
    """They are made once, and end as they say."""


class Download(Model):
    """The signed links in the status and in deliveries."""

    url_ttl: Annotated[Duration, between("1m", "168h")] = Field(default="24h", alias="urlTTL")
    """How long a link works: 1m to 168h, the longest that S3 signs; less where the store's own credentials end before.
    Those in `status.artifacts` are replaced as `refresh` says."""
    refresh: Refresh = Refresh.AUTO
    """When the links in `status.artifacts` are replaced by new ones, without a run. Auto: in time, as long as the files
    are kept. OnDemand: when a new value of the annotation report-operator.io/refresh-links asks for it, which Auto
    follows too. Never: they are made once."""
    links: LinkPolicy = LinkPolicy.ENABLED
    """Enabled, or Disabled: no links at all, neither in the status nor in deliveries. The platform team can disable
    them for all."""


class LinkRefresh(Model):
    """A request for new links, by the annotation report-operator.io/refresh-links."""

    token: Annotated[str, Field(max_length=TOKEN_LENGTH)]
    """The value of the annotation."""
    message: Annotated[str, Field(max_length=2048)] | None = None
    """Why no links were made; not set when they were."""
