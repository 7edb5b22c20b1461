"""Markdown to HTML, and values to Markdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_operator.run import markdown


def test_text_is_laid_out() -> None:
    html = markdown.to_html("**a** ~~b~~\n\n| x | y |\n|---|--:|\n| 1 | 2 |")
    assert "<strong>a</strong> <s>b</s>" in html
    assert '<td style="text-align:right">2</td>' in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,x)",
        "[x](file:///etc/passwd)",
        "![x](javascript:alert(1))",
        "![x](data:image/svg+xml,x)",
        "<javascript:alert(1)>",
    ],
)
def test_html_scripts_and_strange_links_are_shown_not_run(text: str) -> None:
    html = markdown.to_html(text)
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html


@pytest.mark.parametrize("url", ["https://example.com/a?b=c", "http://example.com", "mailto:a@example.com"])
def test_web_and_mail_links_work(url: str) -> None:
    assert f'<a href="{url}">x</a>' in markdown.to_html(f"[x]({url})")


def test_an_image_becomes_a_link_at_most() -> None:
    assert "<img" not in markdown.to_html("![x](http://example.com/x.png)")


@given(st.text(alphabet="ab1 *_`[]()<>#&|~\\!\n", max_size=30))
def test_an_escaped_value_is_shown_as_it_is(value: str) -> None:
    """What a reader sees is the value: its tags, entities and line breaks mean nothing."""
    html = markdown.to_html("x" + markdown.escape(value) + "x")
    assert html.startswith("<p>x")
    assert html.endswith("x</p>\n")
    assert "<" not in html[3:-5]
