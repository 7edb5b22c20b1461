"""The platform team's limits on reports: the chart's value `policy`, and what replaces it in a namespace.

Everything is an allow-list or an upper bound. An unknown field or a value out of place is an error, never ignored: a
limit with a slip of the pen in it must not become no limit.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_network
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from report_operator.api.destinations import KINDS
from report_operator.api.fields import Model
from report_operator.api.job import parse_quantity
from report_operator.api.networks import ANY, Network, Reach
from report_operator.api.outputs import OutputFormat
from report_operator.api.retention import FOREVER

ASK = "change the Report, or ask the platform team to change the rule (docs/policy.md)"
"""The way out of every refusal."""
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Networks of sites and clusters (RFC 1918, RFC 6598, RFC 4193)."""
_LONGEST_VALUE = 100


class PolicyError(Exception):
    """A policy that cannot be read; the text names each field that is wrong, its value and what is wanted."""


def _one_of(names: Collection[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value != ANY and value not in names:
            raise ValueError(f"write one of {ANY}, {', '.join(names)}")
        return value

    return AfterValidator(check)


def _like(pattern: str, wanted: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"write {wanted}")
        return value

    return AfterValidator(check)


def _network(value: Any) -> Any:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"{error}: write a network such as 10.0.0.0/8") from error


_Format = Annotated[str, _one_of([each.value for each in OutputFormat])]
_Kind = Annotated[str, _one_of(KINDS)]
_Host = Annotated[
    str,
    _like(
        r"(?=.{1,255}$)(\*|(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?)",
        "example.com, *.example.com for all below it, or *, in small letters",
    ),
]
_Hosts = Annotated[list[_Host], Field(max_length=1000)]
"""The request of every run holds them."""
_Network = Annotated[Network, BeforeValidator(_network), PlainSerializer(lru_cache(str), return_type=str)]
"""Its text is asked for with every request of a run, several times, and takes Python longer than all the rest."""
_Count = Annotated[int, Field(strict=True, ge=0)]
_Time = Annotated[str, _like(r"(?=[0-9])([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?", "a duration such as 30m or 1h30m")]
_Lifetime = Annotated[
    str,
    _like(rf"{FOREVER}|[0-9]{{1,5}}d|(?=[0-9])([0-9]{{1,6}}h)?([0-9]{{1,6}}m)?([0-9]{{1,6}}s)?", "90d, 36h or Forever"),
]
_Size = Annotated[str, BeforeValidator(str), _like(r"[0-9]{1,18}([kMGT]|[KMGT]i)?", "a size such as 500Mi or 2Gi")]
_Amount = Annotated[
    str,
    BeforeValidator(str),
    _like(r"[0-9]{1,18}(\.[0-9]{1,9})?(m|[kMGT]|[KMGT]i)?", "a quantity such as 500m, 2 or 4Gi"),
]


class Policy(Model):
    """What Reports may ask for. `*` in a list is all, an empty list is nothing."""

    model_config = ConfigDict(extra="forbid")

    formats: list[_Format] = [ANY]
    """Formats of outputs."""
    destinations: list[_Kind] = [ANY]
    """Kinds of destinations."""
    recipient_domains: _Hosts = [ANY]
    """Domains of mail recipients: `example.com`, or `*.example.com` for those below it."""
    webhook_hosts: _Hosts = [ANY]
    """Hosts that webhooks and messages to chats go to: `example.com`, or `*.example.com` for those below it."""
    webhook_networks: list[_Network] = []
    """Networks beyond the public internet that those hosts may be in, such as the cluster's own."""
    source_networks: list[_Network] = [*map(ip_network, PRIVATE)]
    """Networks beyond the public internet that http sources may be in."""
    bucket_networks: list[_Network] = [*map(ip_network, PRIVATE)]
    """Networks beyond the public internet that the endpoints of buckets may be in."""
    pod_identity: Annotated[bool, Field(strict=True)] = False
    """Whether buckets may be written with the cloud identity of a run's pod, which can be the node's."""
    max_rows: _Count = 0
    """Most rows of each source and table; 0 is no limit."""
    max_size: _Size = "0"
    """Most bytes of all files of a run together, such as 2Gi; 0 is no limit."""
    max_link_ttl: _Time = "168h"
    """Longest `spec.download.urlTTL`."""
    max_retention: _Lifetime = FOREVER
    """Longest `spec.retention.ttl`; unless it is Forever, files cannot be kept beyond their Report either."""
    max_timeout: _Time = "24h"
    """Longest `spec.run.timeout`."""
    max_retries: _Count = 10
    """Highest `spec.run.retries`."""
    max_resources: dict[str, _Amount] = {}
    """Highest request and limit of each container by resource, where a Report sets its own."""

    @classmethod
    def read(cls, fields: Any) -> Self:
        """Return a policy with these fields, by their wire names, and defaults for the others; raises PolicyError."""
        try:
            return cls.model_validate(fields, by_name=False, by_alias=True)
        except ValidationError as error:
            raise PolicyError("; ".join(map(_line, error.errors(include_url=False)))) from error

    def replaced_by(self, fields: Any) -> Self:
        """Return this policy with some fields replaced, by their wire names; raises PolicyError."""
        changes = self.read(fields)
        return self.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set})

    @property
    def webhooks(self) -> Reach:
        """Return where webhooks and messages to chats may go."""
        return Reach("webhookNetworks", tuple(self.webhook_networks), "webhookHosts", tuple(self.webhook_hosts))

    @property
    def http_sources(self) -> Reach:
        """Return where http sources may be."""
        return Reach("sourceNetworks", tuple(self.source_networks))

    @property
    def buckets(self) -> Reach:
        """Return where endpoints of buckets may be."""
        return Reach("bucketNetworks", tuple(self.bucket_networks))

    @property
    def max_bytes(self) -> int:
        """Return `max_size` in bytes."""
        return int(parse_quantity(self.max_size))


def _line(problem: Any) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).lstrip(".")
    if problem["type"] == "extra_forbidden":
        known = ", ".join(field.alias or name for name, field in Policy.model_fields.items())
        return f"{place} is no field of a policy; there are {known}"
    said = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "model_type":
        said = "write its fields, such as maxRows: 100000"
    return f"{place or 'the policy'} is {_short(repr(problem['input']))}: {said}"


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
