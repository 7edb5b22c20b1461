"""docs/requirements.md and the tests that name its rows agree."""

from tools.requirements import PAGE, marked, states, with_tests


def test_every_row_names_exactly_the_tests_that_name_it() -> None:
    page = PAGE.read_text()
    assert with_tests(page, marked()) == page, "make generate"


def test_no_test_names_a_row_that_is_not_there() -> None:
    assert set(marked()) <= set(states(PAGE.read_text()))


def test_what_is_done_or_partly_done_has_a_test_and_what_is_open_has_none() -> None:
    named = marked()
    wrong = [id_ for id_, state in states(PAGE.read_text()).items() if (state == "open") == (id_ in named)]
    assert wrong == []


def test_no_row_is_missing() -> None:
    last = {"A": 10, "B": 9, "C": 8, "D": 9, "E": 6, "N": 14}
    wanted = [f"{letter}{number}" for letter, count in last.items() for number in range(1, count + 1)]
    assert list(states(PAGE.read_text())) == wanted
