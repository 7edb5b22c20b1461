"""PDF files, read back by pypdf."""

import base64
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from report_operator.api.conditions import Reason
from report_operator.run.failure import RunError
from report_operator.run.render import render
from tests.support import rendering


def _pdf(root: Path, spec: dict[str, Any], tables: dict[str, str]) -> PdfReader:
    workspace = rendering.workspace(root, tables)
    render(rendering.request({"outputs": [{"format": "pdf"}]} | spec), workspace)
    return PdfReader(workspace.outputs / "report.pdf")


def test_every_page_says_what_it_belongs_to(tmp_path: Path) -> None:
    reader = _pdf(
        tmp_path,
        {
            "title": "Long table",
            "period": {"start": "2026-05-01T00:00:00Z", "end": "2026-06-01T00:00:00Z"},
            "sections": [{"title": "Rows", "blocks": [{"table": {"from": "t", "title": "All", "limit": 90}}]}],
        },
        {"t": "SELECT i AS number, 'row ' || i AS label FROM range(100) r(i)"},
    )
    pages = [page.extract_text() for page in reader.pages]
    assert len(pages) > 1
    for number, text in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in text
        assert "Run 0b5e6f0e-7a3c-4d0b-9f43-1f2f6a5c7d10-1" in text
        assert "Long table" in text
        assert "May 2026" in text
        # The head of the table is on every page that it reaches.
        assert "number" in text
    assert all(f"row {i}" in " ".join(pages) for i in range(90))
    assert "90 of 100 rows shown" in pages[-1]
    assert (reader.pages[0].mediabox.width, reader.pages[0].mediabox.height) == pytest.approx((595.28, 841.89), abs=0.1)
    assert [str(item["/Title"]) for item in reader.outline if isinstance(item, dict)] == ["Long table"]


def test_a_wide_table_is_on_landscape_pages(tmp_path: Path) -> None:
    columns = ", ".join(f"{i} AS column_{i}" for i in range(12))
    blocks = [{"text": {"content": "first"}}, {"table": {"from": "t"}}, {"text": {"content": "last"}}]
    reader = _pdf(tmp_path, {"sections": [{"blocks": blocks}]}, {"t": f"SELECT {columns}"})
    shapes = ["wide" if page.mediabox.width > page.mediabox.height else "high" for page in reader.pages]
    assert shapes == ["high", "wide", "high"]


def test_the_file_says_who_made_it_when(tmp_path: Path) -> None:
    information = _pdf(tmp_path, {"title": "Weekly é"}, {}).metadata
    assert information is not None
    assert (information.title, information.author) == ("Weekly é", "team-a/sample")
    created = datetime(2026, 1, 5, 6, 0, 12, tzinfo=UTC)
    assert (information.creation_date, information.modification_date) == (created, created)


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for folder in ("a", "b"):
        request, workspace = rendering.sample("onepage", tmp_path / folder)
        render(request, workspace)
        made.append((workspace.outputs / "report.pdf").read_bytes())
    assert made[0] == made[1]


def _svg(body: str) -> str:
    text = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}</svg>'
    return f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}"


_REFUSED = {
    "image": '<img src="URL">',
    "style sheet": '<link rel="stylesheet" href="URL">',
    "import": '<style>@import "URL";</style>',
    "font": "<style>@font-face { font-family: x; src: url(URL) } p { font-family: x }</style><p>x",
    "background": '<p style="background: url(URL)">x',
    "page background": "<style>@page { background: url(URL) }</style>",
    "list": '<ul style="list-style-image: url(URL)"><li>x</ul>',
    "content": "<style>p::before { content: url(URL) }</style><p>x",
    "border": '<p style="border: 3px solid; border-image: url(URL) 3">x',
    "object": '<object data="URL"></object>',
    "embed": '<embed src="URL">',
    "attachment": '<link rel="attachment" href="URL">',
    "attached anchor": '<a rel="attachment" href="URL">x</a>',
    "color profile": "<style>@color-profile --x { src: url(URL) } p { color: color(--x 1 0 0) }</style><p>x",
}
"""Ways to ask for a file that WeasyPrint follows."""

_IGNORED = {
    "SVG image": '<svg xmlns="http://www.w3.org/2000/svg"><image href="URL" width="5" height="5"/></svg>',
    "SVG use": '<svg xmlns="http://www.w3.org/2000/svg"><use href="URL#a"/></svg>',
    "SVG style": '<svg xmlns="http://www.w3.org/2000/svg"><style>@import "URL";</style><rect/></svg>',
    "SVG fill": '<svg xmlns="http://www.w3.org/2000/svg"><rect fill="url(URL)" width="5" height="5"/></svg>',
    "SVG filter": '<svg xmlns="http://www.w3.org/2000/svg"><filter><feImage href="URL"/></filter></svg>',
    "frame": '<iframe src="URL"></iframe>',
    "picture": '<picture><source srcset="URL"><img srcset="URL 1x"></picture>',
    "refresh": '<meta http-equiv="refresh" content="0; url=URL">',
    "input": '<input type="image" src="URL">',
    "mask": '<p style="mask-image: url(URL); shape-outside: url(URL)">x',
    "entity": '<!DOCTYPE html [<!ENTITY x SYSTEM "URL">]><p>&x;',
    "anchor": '<a href="URL">x</a>',
}
"""Ways that WeasyPrint knows nothing of."""

_URLS = [
    "file:///etc/passwd",
    "http://127.0.0.1:9/x",
    "https://127.0.0.1:9/x",
    "ftp://127.0.0.1/x",
    "FILE:///etc/passwd",
]


class _Watch:
    """Remembers the files and addresses that the interpreter was asked for; an audit hook cannot be taken away."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
            self.seen.append(f"{event} {arguments[1:]}")
        if self.on and event == "open" and str(arguments[0]).startswith("/etc/passwd"):
            self.seen.append(f"open {arguments[0]}")


@pytest.fixture(scope="module")
def watch() -> _Watch:
    return _Watch()


@pytest.fixture
def no_way_out(watch: _Watch, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Watch]:
    """Refuse every connection, and yield what was tried."""

    def refuse(*_: Any) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    watch.seen.clear()
    watch.on = True
    yield watch
    watch.on = False


def _render_template(root: Path, template: str) -> None:
    workspace = rendering.workspace(root, {})
    (workspace.config_maps / "pages").mkdir(parents=True)
    (workspace.config_maps / "pages" / "page.html").write_text(template)
    spec = {"template": {"configMapRef": {"name": "pages", "key": "page.html"}}, "outputs": [{"format": "pdf"}]}
    render(rendering.request(spec), workspace)


@pytest.mark.parametrize("url", _URLS)
@pytest.mark.parametrize("way", _REFUSED)
def test_nothing_from_outside_is_loaded(tmp_path: Path, no_way_out: _Watch, way: str, url: str) -> None:
    with pytest.raises(RunError) as caught:
        _render_template(tmp_path, _REFUSED[way].replace("URL", url))
    assert caught.value.reason is Reason.TEMPLATE_FAILED
    assert "documents load nothing from outside" in caught.value.message
    assert url.lower()[:12] in caught.value.message.lower()
    assert no_way_out.seen == []


@pytest.mark.parametrize("url", _URLS[:2])
@pytest.mark.parametrize("way", _IGNORED)
def test_what_is_not_refused_is_not_loaded(tmp_path: Path, no_way_out: _Watch, way: str, url: str) -> None:
    _render_template(tmp_path, _IGNORED[way].replace("URL", url))
    assert no_way_out.seen == []


@pytest.mark.parametrize("url", _URLS[:2])
@pytest.mark.parametrize(
    "body", ['<image href="URL" width="5" height="5"/>', '<use href="URL#a"/>', '<style>@import "URL";</style>']
)
def test_a_picture_loads_nothing(tmp_path: Path, no_way_out: _Watch, body: str, url: str) -> None:
    """A chart is such a picture."""
    picture = _svg(body.replace("URL", url))
    _render_template(tmp_path, f'<img src="{picture}"><p style="background: url({picture})">x')
    assert no_way_out.seen == []


@pytest.mark.parametrize("url", ["etc/passwd", "../../../etc/passwd", "//127.0.0.1:9/x"])
def test_there_is_no_folder_to_start_from(tmp_path: Path, no_way_out: _Watch, url: str) -> None:
    with pytest.raises(RunError, match="documents load nothing from outside"):
        _render_template(tmp_path, f'<img src="{url}">')
    assert no_way_out.seen == []


def test_a_page_that_cannot_be_set_is_the_templates_fault(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        _render_template(tmp_path, "<div>" * 3000)
    assert caught.value.reason is Reason.TEMPLATE_FAILED
    assert caught.value.message.startswith(
        "template configmap:pages/page.html: the page cannot be set as PDF: RecursionError: "
    )


def test_pictures_in_the_template_are_shown(tmp_path: Path, no_way_out: _Watch) -> None:
    picture = _svg('<rect width="50" height="50" fill="red"/><text y="20">inside</text>')
    _render_template(tmp_path, f'<img src="{picture}"><p>x')
    assert "inside" in PdfReader(tmp_path / "outputs" / "report.pdf").pages[0].extract_text()


def test_the_built_in_page_is_understood_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """WeasyPrint logs each rule that it does not know."""
    request, workspace = rendering.sample("edges", tmp_path, "pdf")
    render(request, workspace)
    assert [text for text in caplog.messages if "unsupported by fonts" not in text] == []
