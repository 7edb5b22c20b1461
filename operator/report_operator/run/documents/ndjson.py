"""NDJSON: a table as one JSON object a line."""

import json

from report_operator.api.outputs import Output
from report_operator.run import exact
from report_operator.run.documents import Material


def write(output: Output, material: Material) -> None:
    """Write the table: UTF-8, LF as line end, every column in every object, values by the rules of `exact.to_json`."""
    table = output.table or ""
    names = [column.name for column in material.tables.info(table).columns]
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    with material.target(output).open("w", encoding="utf-8", newline="\n") as file:
        for rows in material.tables.batches(table):
            for row in rows:
                file.write(encode(dict(zip(names, map(exact.to_json, row), strict=True))) + "\n")
