"""What a template may do, and what it is told when it may not."""

import resource
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from report_operator.api.conditions import Reason
from report_operator.run import markdown
from report_operator.run.failure import RunError
from report_operator.run.sandbox import Sandbox, user_code

_VARIABLES: Mapping[str, Any] = {
    "metrics": {"Flights": "336,776"},
    "moment": datetime(2026, 5, 4, 13, 5, tzinfo=UTC),
    "params": {"list": [1, 2], "text": "a"},
    "period": None,
}


def _html(text: str) -> str:
    with user_code("<template>", "spec.sections[0]", _VARIABLES):
        return Sandbox().fill(text, _VARIABLES)


def _failure(text: str) -> RunError:
    with pytest.raises(RunError) as caught:
        _html(text)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''|attr('__class__') }}",
        "{{ ''['__class__'] }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '{0.__class__}'.format_map({'0': 1}) }}",
        "{{ self._TemplateReference__context }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ joiner.__init__ }}",
        "{{ namespace.__init__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ dict.mro() }}",
        "{{ moment.__reduce__() }}",
        "{{ moment.__class__ }}",
        "{{ params.list.append(3) }}",
        "{{ params.update(a=1) }}",
        "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    ],
)
def test_there_is_no_way_out(text: str) -> None:
    assert _failure(text).reason is Reason.TEMPLATE_FAILED


@pytest.mark.parametrize(
    "text", ["{{ [1]|map(attribute='__class__')|list }}", "{{ ['']|map('attr', '__mro__')|list }}"]
)
def test_a_private_attribute_is_nothing_in_a_list(text: str) -> None:
    assert _html(text) == "[Undefined]"


@pytest.mark.parametrize("name", ["/etc/passwd", "../standard.html", "os", "standard.css"])
def test_a_text_includes_no_file(name: str) -> None:
    assert _failure(f"{{% include {name!r} %}}").message == f"spec.sections[0], line 1: there is no template {name!r}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 10**10 }}",
        "{% set n = 10**10 %}{{ 'x' * n }}",
        "{{ [0] * 10**10 }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ 'a'|center(10**9) }}",
        "{% set b = namespace(x='aaaaaaaaaa') %}{% for i in range(60) %}{% set b.x = b.x ~ b.x %}{% endfor %}",
    ],
)
def test_what_needs_too_much_memory_fails_and_leaves_the_process_alone(text: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    failure = _failure(text)
    assert failure.reason is Reason.OUT_OF_MEMORY
    assert failure.message.startswith("spec.sections[0], line 1: the template needs more than 256 MiB")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{{ perod }}", "line 2: 'perod' is not known; known are: metrics, moment, params, period"),
        ("{{ metrics['Fligts'] }}", "line 1: there is no 'Fligts'; there are: Flights"),
        ("{{ metrics.Fligts }}", "line 1: there is no 'Fligts'; there are: Flights"),
        ("{{ period.start }}", "line 1: there is no 'start' in something that is not set"),
        ("{{ 'a' | procent }}", "line 1: No filter named 'procent'."),
        ("{{ 'a' | percent }}", "line 1: ValueError: 'a' is not a number"),
        ("\n\n{% if %}", "line 3: Expected an expression, got 'end of statement block'"),
        ("{{ 1 / 0 }}", "line 1: ZeroDivisionError: division by zero"),
        ("{% for i in range(10**9) %}{% endfor %}", "line 1: OverflowError: Range too big. "),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "line 1: RecursionError: "),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_exists(text: str, message: str) -> None:
    failure = _failure(text)
    assert failure.reason is Reason.TEMPLATE_FAILED
    assert failure.message.startswith(f"spec.sections[0], {message}")


def test_a_message_is_short_whatever_the_template_raises() -> None:
    assert len(_failure("{{ ('x' * 100000)|int(default=none) + ('x' * 100000)|percent }}").message) < 700


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{ period }}", "\N{EN DASH}"),
        ("{{ moment }}", "2026-05-04 13:05 UTC"),
        ("{{ moment.replace(hour=0, minute=0) }}", "2026-05-04"),
        ("{{ amount }}", "1.50"),
        ("{{ 0.125 | percent }} {{ 1234 | integer }} {{ 90 | duration }}", "12.5 % 1,234 1 min 30 s"),
        ("{{ '<b>' }} {{ '<b>'|safe }}", "&lt;b&gt; <b>"),
    ],
)
def test_values_are_written_for_people(text: str, made: str) -> None:
    assert Sandbox().fill(text, {**_VARIABLES, "amount": Decimal("1.50")}) == made


def test_values_in_markdown_are_escaped_unless_they_are_said_to_be_safe() -> None:
    sandbox = Sandbox(escape=markdown.escape)
    assert sandbox.fill("*{{ a }}* {{ a | safe }}", {"a": "[x](http://a)"}) == r"*\[x\](http://a)* [x](http://a)"
