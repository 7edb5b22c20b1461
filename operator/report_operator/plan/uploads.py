"""How a run's files go to the store: whole, or in parts where they may be large."""

from dataclasses import dataclass
from math import ceil

from report_operator.api.report import ReportSpec

_SMALLEST_PART = 64 << 20
"""Bytes: a file that has no more goes in one request."""
_LARGEST_PART = 2 << 30
"""Bytes: S3 takes 5 GiB, Azure 4000 MiB."""
_MOST_PARTS = 40
"""Of all files of a run together: signing a part takes a tenth of a millisecond, and 60 bytes of the run's Secret."""


@dataclass(frozen=True)
class Split:
    """How a file may be cut."""

    part_size: int
    """Bytes of each part but the last."""
    count: int
    """Most parts."""
    media_type: str
    """Media type of the file: stores want to know it when an upload in parts begins."""


def large_files(spec: ReportSpec) -> dict[str, str]:
    """Return the media types of the files that may be large, by name.

    Those are tables of sources that Kubernetes does not hold itself.
    """
    if not any(source.sql or source.http for source in spec.sources):
        return {}
    return {output.file_name: output.format.media_type for output in spec.outputs if output.format.is_data}


def splits(spec: ReportSpec, scratch_size: int) -> dict[str, Split]:
    """Return how the files that may be large are cut, by name; a run writes `scratch_size` bytes at most.

    What turns out to have no more than a part is uploaded whole.
    """
    files = large_files(spec)
    most = _MOST_PARTS // max(len(files), 1)
    size = min(max(_SMALLEST_PART, ceil(scratch_size / most)), _LARGEST_PART)
    count = min(ceil(scratch_size / size), most)
    return {name: Split(size, count, media_type) for name, media_type in files.items()} if count > 1 else {}
