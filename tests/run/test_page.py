"""The page: the built-in template, and templates of one's own."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from report_operator.api.conditions import Reason
from report_operator.run.failure import RunError
from report_operator.run.render import render
from tests.support import rendering


class _Outline(HTMLParser):
    """Collects the tags of a page, and fails on tags that are not closed in order."""

    _VOID = frozenset(("meta", "col", "br", "hr", "img"))

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def close(self) -> None:
        super().close()
        assert self._open == []


def _page(root: Path, spec: dict[str, Any], tables: dict[str, str] | None = None, template: str | None = None) -> str:
    """Return the HTML of a spec; `template` is put into ConfigMap `pages`, key `page.html`."""
    workspace = rendering.workspace(root, tables or {})
    if template is not None:
        folder = workspace.config_maps / "pages"
        folder.mkdir(parents=True)
        (folder / "page.html").write_text(template)
        spec = {"template": {"configMapRef": {"name": "pages", "key": "page.html"}}} | spec
    render(rendering.request({"outputs": [{"format": "html"}]} | spec), workspace)
    return (workspace.outputs / "report.html").read_text()


def _failure(root: Path, template: str, **spec: Any) -> RunError:
    with pytest.raises(RunError) as caught:
        _page(root, spec, template=template)
    assert not (root / "outputs" / "rendered.json").exists()
    return caught.value


@pytest.mark.parametrize("name", ["flights", "edges"])
def test_the_page_is_well_formed_and_accessible(tmp_path: Path, name: str) -> None:
    request, workspace = rendering.sample(name, tmp_path, "html")
    render(request, workspace)
    page = (workspace.outputs / "report.html").read_text()
    outline = _Outline()
    outline.feed(page)
    outline.close()
    tags = [tag for tag, _ in outline.tags]
    assert {"header", "main", "footer", "section"} <= set(tags)
    assert tags.count("h1") == 1
    assert ("html", {"lang": "en"}) in outline.tags
    assert all(
        attributes.get("scope") == "col" for tag, attributes in outline.tags if tag == "th" and "scope" in attributes
    )
    assert all(attributes.get("role") == "img" for tag, attributes in outline.tags if tag == "svg")
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["aria-labelledby"] for _, attributes in outline.tags if "aria-labelledby" in attributes} <= set(
        ids
    )


def test_the_page_loads_and_runs_nothing(tmp_path: Path) -> None:
    request, workspace = rendering.sample("edges", tmp_path, "html")
    render(request, workspace)
    page = (workspace.outputs / "report.html").read_text()
    assert "content=\"default-src 'none';" in page
    assert not re.search(
        r"<(script|link|img|iframe|object|embed|image|use)\b|@import|url\(| on\w+=", page, re.IGNORECASE
    )
    assert set(re.findall(r'href="([^"]*)"', page)) == {"http://evil.example/x.png"}


def test_hostile_data_is_text(tmp_path: Path) -> None:
    page = _page(
        tmp_path,
        {
            "title": "<script>1</script>",
            "sections": [
                {
                    "title": "<script>2</script>",
                    "blocks": [
                        {"table": {"from": "t", "title": "<script>3</script>"}},
                        {"metric": {"title": "<script>4</script>", "table": "t", "column": "<script>"}},
                        {"text": {"title": "<script>5</script>", "content": "{{ tables.t[0]['<script>'] }}"}},
                    ],
                }
            ],
        },
        {"t": "SELECT '<img src=x onerror=alert(1)>' AS \"<script>\""},
    )
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") == 3


@pytest.mark.parametrize(("rows", "note"), [(3, "3 of 1,234 rows shown"), (1234, None)])
def test_a_table_says_when_it_does_not_show_all_rows(tmp_path: Path, rows: int, note: str | None) -> None:
    section = {"blocks": [{"table": {"from": "t", "limit": rows}}]}
    page = _page(tmp_path, {"sections": [section]}, {"t": "SELECT i AS n FROM range(1234) r(i)"})
    assert page.count("<tr") == rows + 1
    assert re.findall(r"[0-9,]+ of [0-9,]+ rows shown", page) == ([note] if note else [])


def test_a_chart_says_when_it_does_not_draw_all_rows(tmp_path: Path) -> None:
    section = {"blocks": [{"chart": {"table": "t", "xColumn": "n", "yColumn": "n", "mark": "point"}}]}
    page = _page(tmp_path, {"sections": [section]}, {"t": "SELECT i AS n FROM range(5001) r(i)"})
    assert "5,000 of 5,001 rows drawn" in page


def test_a_table_of_very_many_columns_says_so(tmp_path: Path) -> None:
    columns = ", ".join(f"{i} AS c{i}" for i in range(60))
    page = _page(tmp_path, {"sections": [{"blocks": [{"table": {"from": "t"}}]}]}, {"t": f"SELECT {columns}"})
    assert page.count("<th ") == 50
    assert "50 of 60 columns shown" in page


def test_nothing_is_said_nicely(tmp_path: Path) -> None:
    blocks = [
        {"table": {"from": "t", "title": "A"}},
        {"chart": {"table": "t", "xColumn": "n", "yColumn": "n", "title": "B"}},
    ]
    page = _page(tmp_path, {"sections": [{"blocks": blocks}]}, {"t": "SELECT 1 AS n LIMIT 0"})
    assert page.count("No rows") == 2
    assert "<table" not in page
    assert "<svg" not in page


def test_a_template_of_ones_own_sees_the_report(tmp_path: Path) -> None:
    page = _page(
        tmp_path,
        {
            "title": "Sales",
            "period": {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"},
            "template": {"configMapRef": {"name": "pages", "key": "page.html"}, "params": {"to": ["Ann", "Bob"]}},
            "sections": [{"title": "S", "blocks": [{"metric": {"title": "A", "table": "t", "column": "n"}}]}],
        },
        {"t": "SELECT 1234 AS n, TIMESTAMPTZ '2026-05-04 00:00:00+00' AS at"},
        "{{ report.title }}|{{ report.namespace }}/{{ report.name }}|{{ report.run_id }}|{{ report.created_at }}|"
        "{{ period.text }}|{{ period.start }}|{{ period.end }}|{{ params.to | join(', ') }}|{{ metrics['A'] }}|"
        "{% for row in tables.t %}{{ row.n | integer }} {{ row.at }}{% endfor %}|{{ tables | join(' ') }}|"
        "{% for s in sections %}{{ s.title }} {{ s.content[0].text }}{% endfor %}",
    )
    assert page == (
        "Sales|team-a/sample|0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10-1|2026-01-05 06:00:12 UTC|"
        "May 2026|2026-05-01|2026-06-01|Ann, Bob|1,234|1,234 2026-05-04|t|S 1,234"
    )


def test_a_template_can_extend_the_built_in_one(tmp_path: Path) -> None:
    page = _page(
        tmp_path,
        {"sections": [{"blocks": [{"text": {"content": "**bold**"}}]}]},
        template='{% extends "standard.html" %}{% import "blocks.html" as blocks %}'
        "{% block header %}<h1>Mine</h1>{% endblock %}"
        "{% block style %}{{ super() }} h1 { color: red }{% endblock %}"
        "{% block main %}{{ blocks.block(sections[0].content[0]) }}{% endblock %}",
    )
    assert "<h1>Mine</h1>" in page
    assert "color: red" in page
    assert "<strong>bold</strong>" in page
    assert "default-src 'none'" in page


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "templates.md").read_text()
    (example,) = re.findall(r"```html\+jinja\n(.*?)```", text, re.DOTALL)
    params = {"configMapRef": {"name": "pages", "key": "page.html"}, "params": {"department": "Sales"}}
    sections = [{"title": "Numbers", "blocks": [{"metric": {"title": "A", "table": "t", "column": "n"}}]}]
    page = _page(tmp_path, {"template": params, "sections": sections}, {"t": "SELECT 1234 AS n"}, example)
    assert "<h1>Sales: sample</h1>" in page
    assert "1,234" in page


def test_tables_in_templates_end_somewhere(tmp_path: Path) -> None:
    page = _page(tmp_path, {}, {"t": "SELECT i AS n FROM range(10001) r(i)"}, "{{ tables.t | length }}")
    assert page == "10000"


@pytest.mark.parametrize("name", ["items", "keys", "values", "get"])
def test_a_table_may_be_called_like_a_method(tmp_path: Path, name: str) -> None:
    assert _page(tmp_path, {}, {name: "SELECT 7 AS n"}, f"{{{{ tables.{name}[0].n }}}}") == "7"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "<p>\n{{ raport.title }}",
            "line 2: 'raport' is not known; known are: metrics, params, period, report, sections, subject, tables",
        ),
        ("{{ tables.sails }}", "line 1: there is no 'sails'; there are: none"),
        ("{{ report.titel }}", "line 1: there is no 'titel'; there are: created_at, name, namespace, run_id, title"),
        ("{% extends 'other.html' %}", "line 1: there is no template 'other.html'"),
        ("{% include '/etc/passwd' %}", "line 1: there is no template '/etc/passwd'"),
        ("{% include '../workspace.py' %}", "line 1: there is no template '../workspace.py'"),
        ("a\n{% for %}", "line 2: Expected an expression, got 'end of statement block'"),
        ("{{ report.__class__ }}", "line 1: access to attribute '__class__' of 'dict' object is unsafe."),
        ("{{ tables._tables }}", "line 1: access to attribute '_tables' of 'VisibleTables' object is unsafe."),
        ("{% import 'blocks.html' as b %}\n{{ b.chart(1, 2) }}", "line 2: TypeError: "),
    ],
)
def test_a_mistake_in_a_template_is_named_with_its_line(tmp_path: Path, template: str, message: str) -> None:
    failure = _failure(tmp_path, template)
    assert failure.reason is Reason.TEMPLATE_FAILED
    assert failure.message.startswith(f"template configmap:pages/page.html, {message}")


def test_a_template_that_eats_memory_is_stopped(tmp_path: Path) -> None:
    failure = _failure(
        tmp_path, "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }} {{ b }}{% endfor %}{% endfor %}"
    )
    assert failure.reason is Reason.OUT_OF_MEMORY


def test_a_missing_config_map_is_named(tmp_path: Path) -> None:
    spec = {"template": {"configMapRef": {"name": "pages", "key": "page.html"}}}
    with pytest.raises(RunError) as caught:
        _page(tmp_path, spec)
    assert caught.value.reason is Reason.CONFIG_MAP_NOT_FOUND
    assert "there is no ConfigMap 'pages' with key 'page.html'" in caught.value.message


def test_a_template_that_is_no_text_is_named(tmp_path: Path) -> None:
    workspace = rendering.workspace(tmp_path, {})
    (workspace.config_maps / "pages").mkdir(parents=True)
    (workspace.config_maps / "pages" / "page.html").write_bytes(b"a\xff")
    spec = {"template": {"configMapRef": {"name": "pages", "key": "page.html"}}, "outputs": [{"format": "html"}]}
    with pytest.raises(RunError, match="is not UTF-8 text: invalid start byte at byte 1"):
        render(rendering.request(spec), workspace)
