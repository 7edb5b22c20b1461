"""`make bench-delivery` still measures what `publish` is today, with sizes that take a moment."""

import os

from tools.bench.delivery import mail, upload


def test_mails_are_sent_and_counted() -> None:
    [table] = mail.measure(mails=3, rounds=1).tables
    assert [row[-1] for row in table.rows] == ["at least 100"]


def test_a_file_is_uploaded_in_both_ways() -> None:
    tables = upload.measure(1, rounds=1).tables
    assert len(tables) == min(len(os.sched_getaffinity(0)), 2)
    for table in tables:
        assert [row[0] for row in table.rows][:2] == [
            "curl, one PUT: MiB/s",
            "publish, from the start of its process to the end: MiB/s",
        ]
