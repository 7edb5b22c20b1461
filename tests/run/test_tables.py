"""Tables as render reads them: real Parquet files through DuckDB."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from report_operator.api.conditions import Reason
from report_operator.run.failure import RunError
from report_operator.run.tables import Tables
from tests.support import rendering

_KINDS = """
SELECT * FROM (VALUES
  (1::TINYINT, 18446744073709551615::UBIGINT, 12.50::DECIMAL(9, 2), 0.1::DOUBLE, true, 'é', DATE '2026-05-04',
   TIME '13:05:00', TIMESTAMP '2026-05-04 13:05:09.25', TIMESTAMPTZ '2026-05-04 13:05:00+02',
   TIMESTAMP_NS '2026-05-04 13:05:00.000000001', [1, 2], {'a': 'b', 'c': [1.5]}, MAP {'k': 1}, 'ab'::BLOB,
   '{"j": null}'::JSON, '0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10'::UUID, 'x'::ENUM ('x', 'y'))
) t(tiny, big, money, double, flag, text, day, clock, moment, zoned, fine, list, struct, map, raw, json, uuid, enum)
"""


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    workspace = rendering.workspace(
        tmp_path, {"kinds": _KINDS, "numbers": "SELECT i AS n FROM range(2500) r(i)", "empty": "SELECT 1 AS n LIMIT 0"}
    )
    with Tables(workspace) as found:
        yield found


def _row(tables: Tables, name: str) -> dict[str, Any]:
    columns = tables.info(name).columns
    (row,) = tables.read(name, columns, 1).rows
    return dict(zip((column.name for column in columns), row, strict=True))


def test_reads_every_type_as_a_plain_value(tables: Tables) -> None:
    assert _row(tables, "kinds") == {
        "tiny": 1,
        "big": 18446744073709551615,
        "money": Decimal("12.50"),
        "double": 0.1,
        "flag": True,
        "text": "é",
        "day": date(2026, 5, 4),
        "clock": time(13, 5),
        "moment": datetime(2026, 5, 4, 13, 5, 9, 250000),
        "zoned": datetime(2026, 5, 4, 11, 5, tzinfo=UTC),
        "fine": datetime(2026, 5, 4, 13, 5),
        "list": [1, 2],
        "struct": {"a": "b", "c": [1.5]},
        "map": {"k": 1},
        "raw": b"ab",
        "json": {"j": None},
        "uuid": "0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10",
        "enum": "x",
    }
    assert _row(tables, "kinds")["zoned"].utcoffset() == timedelta(0)


def test_keeps_the_order_and_says_how_many_rows_there_are(tables: Tables) -> None:
    found = tables.read("numbers", tables.info("numbers").columns, 2000)
    assert [row[0] for row in found.rows] == list(range(2000))
    assert found.total == 2500


def test_reads_an_empty_table(tables: Tables) -> None:
    found = tables.read("empty", tables.info("empty").columns, 10)
    assert (found.rows, found.total) == ([], 0)


def test_an_unknown_column_is_refused_with_those_that_exist(tables: Tables) -> None:
    with pytest.raises(RunError) as caught:
        tables.column("numbers", "m", "spec.sections[0].blocks[1].chart.xColumn")
    assert caught.value.reason is Reason.COLUMN_NOT_FOUND
    assert caught.value.message == (
        "spec.sections[0].blocks[1].chart.xColumn: table 'numbers' has no column 'm'; it has: n"
    )


def test_a_column_name_is_never_sql(tmp_path: Path) -> None:
    hostile = 'n" FROM (SELECT 1) --'
    quoted = hostile.replace('"', '""')
    workspace = rendering.workspace(tmp_path, {"t": f'SELECT 7 AS "{quoted}", 8 AS "Größe (%)"'})
    with Tables(workspace) as tables:
        assert _row(tables, "t") == {hostile: 7, "Größe (%)": 8}


def test_a_folder_name_is_never_sql(tmp_path: Path) -> None:
    workspace = rendering.workspace(tmp_path / "it's (here)", {"t": "SELECT 1 AS n"})
    with Tables(workspace) as tables:
        tables.export("t", ["n"], workspace.outputs / "t.csv", "FORMAT csv, HEADER false")
    assert (workspace.outputs / "t.csv").read_text() == "1\n"


def test_the_database_reaches_nothing_but_the_run(tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("secret\n")
    workspace = rendering.workspace(tmp_path / "run", {"t": "SELECT 1 AS n"})
    with Tables(workspace) as tables, pytest.raises(RunError, match="Cannot access file"):
        tables.export("t", [f"(SELECT content FROM read_text('{outside}'))"], workspace.outputs / "t.csv", "FORMAT csv")
