"""Words that messages share."""

from collections.abc import Iterable

_MOST_NAMES = 30


def listed(names: Iterable[str]) -> str:
    """Return names as a list in a sentence: `a, b and 3 more` when there are very many, `none` when there are none."""
    known = list(names)
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return ", ".join(known[:_MOST_NAMES]) + more or "none"
