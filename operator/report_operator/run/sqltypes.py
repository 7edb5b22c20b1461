"""What the DuckDB type of a column says about its values."""

_INTEGERS = frozenset(
    (
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
    )
)
_PLAIN = _INTEGERS | {"BLOB", "BOOLEAN", "DATE", "DOUBLE", "FLOAT", "INTERVAL", "TIME", "TIMESTAMP", "VARCHAR"}


def is_integer(type_: str) -> bool:
    """Return whether a type holds whole numbers."""
    return type_ in _INTEGERS


def is_number(type_: str) -> bool:
    """Return whether a type holds numbers."""
    return is_integer(type_) or is_floating(type_) or is_decimal(type_)


def is_floating(type_: str) -> bool:
    """Return whether a type holds numbers in binary floating point, NaN and the infinities among them."""
    return type_ in ("FLOAT", "DOUBLE")


def is_decimal(type_: str) -> bool:
    """Return whether a type holds decimal numbers of fixed scale: DECIMAL(precision,scale)."""
    return type_.startswith("DECIMAL(")


def scale(type_: str) -> int:
    """Return the digits after the point of a decimal type."""
    return int(type_.removeprefix("DECIMAL(").removesuffix(")").split(",")[1])


def is_time(type_: str) -> bool:
    """Return whether a type holds points in time: dates and timestamps."""
    return type_ == "DATE" or is_timestamp(type_)


def is_timestamp(type_: str) -> bool:
    """Return whether a type holds timestamps, with or without zone, of any precision."""
    return type_.startswith("TIMESTAMP")


def is_zoned(type_: str) -> bool:
    """Return whether a type holds timestamps that are moments, not clock readings."""
    return type_ == "TIMESTAMP WITH TIME ZONE"


def is_nested(type_: str) -> bool:
    """Return whether a type holds lists, structs, maps or JSON."""
    return type_ == "JSON" or type_.endswith("]") or type_.startswith(("STRUCT(", "MAP(", "UNION("))


def is_plain(type_: str) -> bool:
    """Return whether the Python client turns the type into Python values by itself and without loss."""
    return type_ in _PLAIN or is_decimal(type_)
