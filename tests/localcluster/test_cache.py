"""The cache of built things."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import cache


@pytest.fixture(autouse=True)
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_one_key_is_made_once_by_two_at_a_time() -> None:
    made: list[Path] = []
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: cache.entry("thing", "key", made.append), range(2)))
    assert paths[0] == paths[1]
    assert len(made) == 1


def test_a_failed_making_leaves_nothing_to_be_found() -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        cache.entry("thing", "key", fail)
    path = cache.entry("thing", "key", lambda folder: (folder / "whole").touch())
    assert [file.name for file in path.iterdir()] == ["whole"]


def test_the_longest_unused_goes_first() -> None:
    for key in ("a", "b", "c", "a", "d"):
        latest = cache.entry("thing", key, lambda folder: None)
    assert sorted(path.name for path in latest.parent.iterdir() if path.is_dir()) == ["a", "c", "d"]


def test_digest_tells_names_modes_and_contents_apart(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    digests = {cache.digest(folder)}
    (folder / "a").write_text("1")
    digests.add(cache.digest(folder))
    (folder / "a").write_text("2")
    digests.add(cache.digest(folder))
    (folder / "a").rename(folder / "b")
    digests.add(cache.digest(folder))
    (folder / "b").chmod(0o755)
    digests.add(cache.digest(folder))
    assert len(digests) == 5
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "b.pyc").touch()
    assert cache.digest(folder) in digests
