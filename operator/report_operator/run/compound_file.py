"""Writes compound files (MS-CFB, version 3), the container in which Office keeps what is encrypted."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice, repeat
from typing import BinaryIO, TypeAlias, Union

SECTOR = 512
CUTOFF = 4096
"""Bytes from which a stream has sectors of its own; shorter ones share those of the mini stream (MS-CFB, 2.2)."""

Tree: TypeAlias = Mapping[str, Union[bytes, "Tree"]]
"""Streams by name, and storages, which hold more of them."""

_MINI_SECTOR = 64
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_DIFAT_SECTOR, _FAT_SECTOR, _END_OF_CHAIN, _NONE = 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF
_BLACK = 1
_ENTRY = struct.Struct("<64sH2B3I36xIQ")
_ENTRIES = SECTOR // _ENTRY.size
_HEADER = struct.Struct("<8s16x5H10x8I")
_SIGNATURE = bytes.fromhex("d0cf11e0a1b11ae1")
_NUMBERS = SECTOR // 4
"""Numbers of sectors that a sector holds. The FAT has for each sector of the file the next one of its chain."""
_IN_HEADER = 109
"""Sectors of the FAT that the header names. The DIFAT, a chain of sectors of its own, names the others."""


class CompoundFile:
    """A compound file in the making: one large stream, written while it is made, and then small ones."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write(bytes(SECTOR))  # The header says where all the rest is, so it comes last.
        self._used = 0

    def write(self, content: bytes) -> None:
        """Add to the large stream."""
        self._file.write(content)

    def finish(self, name: str, others: Tree) -> None:
        """Name the large stream, which has CUTOFF bytes or more, and write all others, each of 1 to CUTOFF - 1 bytes.

        Raises ValueError for other sizes.
        """
        size = self._file.tell() - SECTOR
        if size < CUTOFF:
            raise ValueError(f"a large stream has at least {CUTOFF} bytes, this one {size}")
        directory = _Directory(name, size, others)
        large = self._end_chain()
        mini_stream = self._add_chain([bytes(directory.mini_stream)])
        mini_fat = self._add_chain(_packed(chain.from_iterable(map(_links, directory.mini_chains))))
        entries = self._add_chain([directory.packed(mini_stream.start)])
        fat, difat = _table_sectors(entries.stop)
        links = chain.from_iterable(map(_links, (large, mini_stream, mini_fat, entries)))
        self._add_chain(_packed(chain(links, repeat(_FAT_SECTOR, len(fat)), repeat(_DIFAT_SECTOR, len(difat)))))
        self._add_chain(_difat(fat[_IN_HEADER:], difat))
        self._file.seek(0)
        self._file.write(_header(entries.start, mini_fat, fat, difat))

    def _add_chain(self, content: Iterable[bytes]) -> range:
        for part in content:
            self._file.write(part)
        return self._end_chain()

    def _end_chain(self) -> range:
        """Fill the last sector of what has been written since the last call; returns these sectors."""
        self._file.write(bytes(-self._file.tell() % SECTOR))
        start, self._used = self._used, self._file.tell() // SECTOR - 1
        return range(start, self._used)


class _Directory:
    """What is where: an entry for the root, each storage and each stream; and the content of the small streams."""

    def __init__(self, large: str, size: int, others: Tree) -> None:
        self.mini_stream = bytearray()
        self.mini_chains: list[range] = []
        self._entries = [b""]
        self._child = self._add({large: size, **others})

    def packed(self, mini_stream: int) -> bytes:
        """Return the directory, given the first sector of the mini stream."""
        root = _entry("Root Entry", _ROOT, (_NONE, _NONE, self._child), mini_stream, len(self.mini_stream))
        unused = [_ENTRY.pack(b"", 0, 0, 0, _NONE, _NONE, _NONE, 0, 0)] * (-len(self._entries) % _ENTRIES)
        return b"".join([root, *self._entries[1:], *unused])

    def _add(self, tree: Mapping[str, int | bytes | Tree]) -> int:
        """Return the entry at the top of the binary tree of what a storage holds."""
        return self._add_between(sorted(tree.items(), key=lambda item: (len(item[0]), item[0].upper())))

    def _add_between(self, items: list[tuple[str, int | bytes | Tree]]) -> int:
        if not items:
            return _NONE
        number, middle = len(self._entries), len(items) // 2
        self._entries.append(b"")
        left, right = self._add_between(items[:middle]), self._add_between(items[middle + 1 :])
        self._entries[number] = self._place(*items[middle], left, right)
        return number

    def _place(self, name: str, content: int | bytes | Tree, left: int, right: int) -> bytes:
        if isinstance(content, int):
            return _entry(name, _STREAM, (left, right, _NONE), size=content)
        if isinstance(content, bytes):
            return _entry(name, _STREAM, (left, right, _NONE), self._keep(content), len(content))
        return _entry(name, _STORAGE, (left, right, self._add(content)))

    def _keep(self, content: bytes) -> int:
        """Add to the mini stream; returns the first of the sectors there."""
        if not 0 < len(content) < CUTOFF:
            raise ValueError(f"a small stream has 1 to {CUTOFF - 1} bytes, this one {len(content)}")
        start = len(self.mini_stream) // _MINI_SECTOR
        self.mini_stream += content + bytes(-len(content) % _MINI_SECTOR)
        self.mini_chains.append(range(start, len(self.mini_stream) // _MINI_SECTOR))
        return start


def _entry(name: str, kind: int, links: tuple[int, int, int], start: int = 0, size: int = 0) -> bytes:
    """Return an entry, with those at its left, at its right and below it; trees may be all black (MS-CFB, 2.6.4)."""
    encoded = f"{name}\0".encode("utf-16-le")
    return _ENTRY.pack(encoded, len(encoded), kind, _BLACK, *links, start, size)


def _links(sectors: range) -> Iterator[int]:
    """Yield for each sector of a chain the one that follows."""
    yield from sectors[1:]
    yield _END_OF_CHAIN


def _packed(numbers: Iterator[int]) -> Iterator[bytes]:
    """Yield numbers sector by sector."""
    while some := tuple(islice(numbers, _NUMBERS)):
        yield struct.pack(f"<{_NUMBERS}I", *some, *repeat(_NONE, _NUMBERS - len(some)))


def _table_sectors(used: int) -> tuple[range, range]:
    """Return the sectors of FAT and DIFAT after those in use: the FAT has a number for each of its own too."""
    fat = difat = 0
    while fat * _NUMBERS < used + fat + difat:
        fat += 1
        difat = -(-max(0, fat - _IN_HEADER) // (_NUMBERS - 1))
    return range(used, used + fat), range(used + fat, used + fat + difat)


def _difat(fat: range, difat: range) -> Iterator[bytes]:
    """Yield the sectors of the DIFAT: each names sectors of the FAT, and the next one of its own."""
    each = _NUMBERS - 1
    for number, following in enumerate(_links(difat) if difat else ()):
        names = fat[number * each : (number + 1) * each]
        yield struct.pack(f"<{_NUMBERS}I", *names, *repeat(_NONE, each - len(names)), following)


def _header(directory: int, mini_fat: range, fat: range, difat: range) -> bytes:
    versions = (0x3E, 3, 0xFFFE, 9, 6)  # Minor and major version, byte order, and the sizes of sectors as powers of 2.
    tables = (mini_fat.start, len(mini_fat), difat.start if difat else _END_OF_CHAIN, len(difat))
    start = _HEADER.pack(_SIGNATURE, *versions, len(fat), directory, 0, CUTOFF, *tables)
    named = fat[:_IN_HEADER]
    return start + struct.pack(f"<{_IN_HEADER}I", *named, *repeat(_NONE, _IN_HEADER - len(named)))
