"""Compound files: olefile, which knows the format, finds nothing wrong and all contents."""

import os
from pathlib import Path

import pytest
from olefile import DEFECT_UNSURE, OleFileIO

from report_operator.run.compound_file import CUTOFF, SECTOR, CompoundFile, Tree

NAMED_IN_HEADER = 109
NAMED_IN_NEXT = 127
OTHERS: Tree = {
    "Info": b"i" * (CUTOFF - 1),
    "\x06Spaces": {"a": b"1", "B": b"2" * 64, "Map": {"Inner": b"3" * 65}, "Longest": b"4" * 128},
}
OTHER_SECTORS = 9 + 1 + 3
"""Mini stream, its table and the directory."""


def largest(tables: int) -> int:
    """Return the sectors of a stream for which so many sectors of the table of chains are just enough."""
    return tables * SECTOR // 4 - tables - OTHER_SECTORS


def write(path: Path, size: int, others: Tree = OTHERS) -> bytes:
    """Write the large stream in two pieces; returns its content."""
    content = os.urandom(size)
    with path.open("wb") as file:
        compound = CompoundFile(file)
        compound.write(content[:100])
        compound.write(content[100:])
        compound.finish("Package", others)
    return content


@pytest.mark.requirement("N11")
@pytest.mark.parametrize(
    ("size", "chained"),
    [
        (CUTOFF, 0),
        (CUTOFF + 1, 0),
        (SECTOR * largest(NAMED_IN_HEADER), 0),
        (SECTOR * largest(NAMED_IN_HEADER) + 1, 1),
        (SECTOR * (largest(NAMED_IN_HEADER + NAMED_IN_NEXT) - 1), 1),
        (SECTOR * (largest(NAMED_IN_HEADER + NAMED_IN_NEXT) - 1) + 1, 2),
    ],
)
def test_a_reader_finds_what_was_written(tmp_path: Path, size: int, chained: int) -> None:
    file = tmp_path / "file"
    content = write(file, size)
    found = OleFileIO(file, raise_defects=DEFECT_UNSURE)
    assert not found.parsing_issues
    assert found.num_difat_sectors == chained
    assert found.openstream("Package").read() == content
    assert found.openstream("Info").read() == OTHERS["Info"]
    inner = {"/".join(path): found.openstream(path).read() for path in found.listdir() if len(path) > 1}
    spaces = "\x06Spaces"
    assert inner == {
        f"{spaces}/a": b"1",
        f"{spaces}/B": b"2" * 64,
        f"{spaces}/Map/Inner": b"3" * 65,
        f"{spaces}/Longest": b"4" * 128,
    }
    assert file.stat().st_size % SECTOR == 0


@pytest.mark.parametrize(
    ("size", "small"), [(CUTOFF - 1, b"x"), (CUTOFF, b""), (CUTOFF, bytes(CUTOFF))], ids=["large", "empty", "small"]
)
def test_streams_that_belong_elsewhere(tmp_path: Path, size: int, small: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        write(tmp_path / "file", size, {"Small": small})
