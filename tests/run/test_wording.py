"""Words that messages share."""

from report_operator.run.wording import listed


def test_lists_names() -> None:
    assert listed(["b", "a"]) == "b, a"
    assert listed([]) == "none"


def test_a_long_list_ends_with_how_many_more_there_are() -> None:
    assert listed(f"c{i}" for i in range(33)).endswith("c28, c29 and 3 more")
