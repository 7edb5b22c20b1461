"""The rules that whatever names a table of a Report names one of its sources or tables."""

from report_operator.api.fields import Rule

_BLOCK_TABLES = {"metric": "table", "table": "from", "chart": "table"}
"""Members of a block that show a table, and the field in each that names it."""


def _is_known(table: str) -> str:
    return f"(self.sources.exists(source, source.name == {table}) || self.tables.exists(table, table.name == {table}))"


def _must_be_known(field: str) -> str:
    """Return the message; it cannot show the name: strings out of lists have no bound in the API server's estimate."""
    return f"{field} must be the name of one of spec.sources or spec.tables"


def _of_sections() -> Rule:
    """Return the one rule for all tables that sections show: the API server walks through all blocks for each rule."""
    shown = [(kind, f"{kind}.{field}") for kind, field in _BLOCK_TABLES.items()]
    cards = f"!has(b.grid) || b.grid.cards.all(c, !has(c.metric) || {_is_known('c.metric.table')})"
    known = " : ".join(f"has(b.{kind}) ? {_is_known(f'b.{table}')}" for kind, table in shown)
    found = " : ".join(
        f"self.sections.exists(s, s.blocks.exists(b, has(b.{kind}) && !{_is_known(f'b.{table}')}))"
        f" ? '{_must_be_known(f'sections[].blocks[].{table}')}'"
        for kind, table in shown
    )
    in_card = _must_be_known("sections[].blocks[].grid.cards[].metric.table")
    return Rule(
        rule=f"self.sections.all(s, s.blocks.all(b, {known} : {cards}))",
        message=_must_be_known("the table of a block or card"),
        expression=f"{found} : '{in_card}'",
    )


KNOWN_TABLES = (
    Rule(
        rule=f"self.outputs.all(o, !has(o.table) || {_is_known('o.table')})",
        message=_must_be_known("outputs[].table"),
    ),
    _of_sections(),
    Rule(
        rule=f"!has(self.subject) || {_is_known('self.subject.table')}",
        message=_must_be_known("subject.table"),
    ),
)
"""Rules of a spec as a whole."""
