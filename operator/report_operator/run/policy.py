"""The platform team's limits that only the run can tell: rows and bytes."""

from collections.abc import Mapping

from report_operator.api.conditions import Reason
from report_operator.api.policy import ASK, Policy
from report_operator.run.failure import RunError


def check_rows(policy: Policy | None, place: str, rows: int) -> None:
    """Raise RunError(NotAllowedByPolicy) when a source or table, which `place` names, has more rows than it may."""
    if policy is not None and 0 < policy.max_rows < rows:
        raise _error(f"maxRows: {place} has {rows:,} rows, at most {policy.max_rows:,}")


def check_size(policy: Policy | None, sizes: Mapping[str, int]) -> None:
    """Raise RunError(NotAllowedByPolicy) when files, whose bytes are given by name, are larger than they may."""
    total = sum(sizes.values())
    if policy is not None and 0 < policy.max_bytes < total:
        largest = max(sizes, key=lambda name: sizes[name])
        text = f"maxSize: the files have {total:,} bytes, {largest} alone {sizes[largest]:,}, at most {policy.max_size}"
        raise _error(text)


def _error(text: str) -> RunError:
    return RunError(Reason.NOT_ALLOWED_BY_POLICY, f"not allowed by the platform team: {text}; {ASK}")
