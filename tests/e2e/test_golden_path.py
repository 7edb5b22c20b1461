"""From `kubectl apply` to files that people can open."""

import hashlib
import io
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import httpx
import pandas as pd
import pytest

from tests.e2e.reports import Team, artifact, download, outcome, pdf_text
from tests.support.apiserver import ROOT
from tests.support.chart import Object
from tests.support.cluster import condition
from tests.support.flights import MISSING, read_csv

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def hello(team: Team) -> Object:
    """The first report of the README, done."""
    namespace = f"--namespace={team.namespace}"
    team.cluster.kubectl("apply", namespace, "-f", ROOT / "manifests/samples/hello.yaml")
    team.cluster.kubectl("wait", namespace, "--for=condition=Ready", "report/hello", "--timeout=240s")
    return team.get("hello")


@pytest.fixture(scope="module")
def flights(team: Team, sample_flights: Path) -> Object:
    """The report of the demo, done."""
    team.cluster.kubectl("apply", f"--namespace={team.namespace}", "-f", sample_flights)
    return team.wait("flights")


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    """The flights as pandas reads them, the other engine that our numbers have to agree with."""
    text = io.BytesIO(read_csv("flights"))
    return pd.read_csv(text, keep_default_na=False, na_values=[MISSING], parse_dates=["time_hour"])


@pytest.mark.requirement("A1", "C3", "C6", "B8")
def test_status_tells_the_whole_story(team: Team, hello: Object) -> None:
    status = hello["status"]
    assert outcome(hello) == ("Succeeded", "Succeeded")
    assert status["observedGeneration"] == hello["metadata"]["generation"] == 1
    assert status["runID"] == f"{hello['metadata']['uid']}-1"
    assert condition(hello, "Ready") == "True"
    assert condition(hello, "Reconciling") is None
    assert condition(hello, "Stalled") is None
    assert status["period"] == {"start": "2026-01-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"}
    assert status["startTime"] <= status["completionTime"]
    assert status["metrics"] == {"Crates": "3,660", "Revenue": "105,507"}
    [job] = team.owned("jobs", "hello")
    assert job["metadata"]["name"] == status["jobName"]
    assert job["metadata"]["labels"]["report-operator.io/report-uid"] == hello["metadata"]["uid"]
    [owner] = job["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Report", hello["metadata"]["uid"])


@pytest.mark.requirement("E5")
def test_run_id_is_the_same_in_status_job_pod_events_and_logs(team: Team, hello: Object) -> None:
    run = hello["status"]["runID"]
    for kind in ("jobs", "pods"):
        [found] = team.owned(kind, "hello")
        assert found["metadata"]["labels"]["report-operator.io/run-id"] == run
    events = team.events("hello")
    assert events
    assert all(run in json.dumps(event) for event in events)
    logs = team.cluster.kubectl("logs", f"job/{hello['status']['jobName']}", "-n", team.namespace, "--all-containers")
    assert run in logs
    operator = team.cluster.kubectl("logs", "deployment/report-operator", "-n", "report-operator", "--tail=-1")
    assert run in operator


@pytest.mark.requirement("A9", "C8", "D7")
@pytest.mark.parametrize("ending", ["pdf", "html", "json"])
def test_download_is_an_attachment_with_a_file_name(hello: Object, ending: str) -> None:
    answer = httpx.get(artifact(hello, f"report.{ending}")["downloadURL"])
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-disposition"] == f'attachment; filename="hello.{ending}"'


@pytest.mark.requirement("C7")
@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("report.pdf", "application/pdf"),
        ("report.html", "text/html; charset=utf-8"),
        ("report.json", "application/json"),
        ("by_fruit.csv", "text/csv; charset=utf-8"),
    ],
)
def test_view_opens_in_the_browser(hello: Object, name: str, media_type: str) -> None:
    answer = httpx.get(artifact(hello, name)["viewURL"])
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["content-type"] == media_type == artifact(hello, name)["mediaType"]


@pytest.mark.requirement("A9")
def test_links_say_when_they_end(hello: Object) -> None:
    for each in hello["status"]["artifacts"]:
        query = parse_qs(urlsplit(each["downloadURL"]).query)
        signed = pd.Timestamp(query["X-Amz-Date"][0])
        ends = signed + pd.Timedelta(seconds=int(query["X-Amz-Expires"][0]))
        assert abs(ends - pd.Timestamp(each["urlExpiresAt"])) <= pd.Timedelta(seconds=1)
        assert query["X-Amz-Expires"] == ["86400"]


@pytest.mark.requirement("A9")
def test_links_open_nothing_else(hello: Object) -> None:
    """Neither another file nor another method nor the file without a signature."""
    first, second = hello["status"]["artifacts"][:2]
    url = first["downloadURL"]
    other = url.replace(first["name"], second["name"])
    assert httpx.get(other).status_code == httpx.codes.FORBIDDEN
    assert httpx.delete(url).status_code == httpx.codes.FORBIDDEN
    assert httpx.get(url.partition("?")[0]).status_code == httpx.codes.FORBIDDEN


def test_artifacts_have_the_size_and_hash_that_the_status_says(hello: Object) -> None:
    for each in hello["status"]["artifacts"]:
        content = download(hello, each["name"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each["size"], each["sha256"])
        assert each["uri"].startswith("s3://reports/team-a/hello/")


@pytest.mark.requirement("A2", "B7")
def test_json_is_inline_and_in_the_store(hello: Object) -> None:
    document = json.loads(download(hello, "report.json"))
    assert hello["status"]["inline"] == document
    assert condition(hello, "Inlined") == "True"
    assert [section["title"] for section in document["sections"]] == ["Overview", "By fruit"]
    assert document["metrics"] == hello["status"]["metrics"]


def test_columns_of_kubectl_get(team: Team, hello: Object) -> None:
    text = team.cluster.kubectl("get", "reports", "hello", f"--namespace={team.namespace}")
    header, row = (line.split() for line in text.splitlines())
    assert header == ["NAME", "PHASE", "STAGE", "REASON", "SUBJECT", "STARTED", "COMPLETED", "AGE"]
    assert row[:3] == ["hello", "Succeeded", "Succeeded"]  # no stage any more
    assert team.cluster.kubectl("get", "rpt", f"--namespace={team.namespace}")
    chosen = team.cluster.kubectl(
        "get", "reports", f"--namespace={team.namespace}", "--field-selector=status.phase=Succeeded", "-oname"
    )
    assert "report.report-operator.io/hello" in chosen


@pytest.mark.requirement("C4")
def test_pdf_and_html_say_the_same(hello: Object) -> None:
    html = download(hello, "report.html").decode()
    text = pdf_text(download(hello, "report.pdf"))
    for words in ("Fruit sold in the first quarter", "3,660", "105,507", "Oranges", "51.4 %"):
        assert words in html
        assert words in text


def test_flights_succeed(flights: Object) -> None:
    assert outcome(flights) == ("Succeeded", "Succeeded")
    assert {each["name"] for each in flights["status"]["artifacts"]} == {
        "report.pdf",
        "report.html",
        "flights.parquet",
        "by_carrier.csv",
    }


@pytest.mark.requirement("D5", "N2")
def test_flights_parquet_has_every_row(flights: Object, expected: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "flights.parquet"
    file.write_bytes(download(flights, "flights.parquet"))
    assert artifact(flights, "flights.parquet")["rows"] == len(expected) == 336_776
    times = "epoch(min(scheduled)), epoch(max(scheduled))"
    sums = f"count(*), sum(distance), sum(dep_delay), sum(arr_delay), sum(cancelled::int), {times}"
    with duckdb.connect(":memory:") as database:
        found = database.execute(f"select {sums} from read_parquet('{file}')").fetchall()[0]
    rows, distance, departure, arrival, cancelled, first, last = found
    assert rows == len(expected)
    assert distance == expected["distance"].sum()
    assert departure == expected["dep_delay"].sum()
    assert arrival == expected["arr_delay"].sum()
    assert cancelled == expected["dep_time"].isna().sum()
    assert (first, last) == (expected["time_hour"].min().timestamp(), expected["time_hour"].max().timestamp())


def by_carrier(expected: pd.DataFrame) -> pd.DataFrame:
    """Return what the report computes for each airline, computed by pandas."""
    arrived = expected["arr_delay"].notna()
    frame = expected.assign(
        cancelled=expected["dep_time"].isna(), on_time=(expected["arr_delay"] < 15).where(arrived).astype("Float64")
    )
    grouped = frame.groupby("carrier").agg(
        flights=("flight", "size"),
        cancelled=("cancelled", "mean"),
        arr_delay=("arr_delay", "mean"),
        on_time=("on_time", "mean"),
    )
    return grouped.sort_values("arr_delay", ascending=False)


def test_flights_csv_agrees_with_pandas(flights: Object, expected: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "by_carrier.csv"
    file.write_bytes(download(flights, "by_carrier.csv"))
    found = pd.read_csv(file, keep_default_na=False).set_index("carrier")
    wanted = by_carrier(expected)
    assert list(found.index) == list(wanted.index)
    for column in ("flights", "cancelled", "arr_delay", "on_time"):
        assert (found[column] - wanted[column].astype(float)).abs().max() < 1e-9, column


def test_flights_pdf_agrees_with_pandas(flights: Object, expected: pd.DataFrame) -> None:
    text = pdf_text(download(flights, "report.pdf"))
    arrived = expected["arr_delay"].dropna()
    assert flights["status"]["metrics"] == {
        "Flights": f"{len(expected):,}",
        "On time": f"{(arrived < 15).mean():.1%}".replace("%", " %"),
        "Average delay": f"{arrived.mean():.2f}",
        "Cancelled": f"{expected['dep_time'].isna().mean():.1%}".replace("%", " %"),
    }
    for value in flights["status"]["metrics"].values():
        assert value in text
    for row in by_carrier(expected).itertuples():
        line = f"{row.flights:,} {row.cancelled:.1%} {row.on_time:.1%} {row.arr_delay:.2f}".replace("%", " %")
        assert line in text
    routes = expected.groupby(["origin", "dest"]).agg(flights=("flight", "size"), delay=("arr_delay", "mean"))
    worst = routes[routes["flights"] >= 365].sort_values("delay", ascending=False).head(12)
    places = [text.index(f"{origin} \N{EN DASH} {dest} ", text.index("Worst routes")) for origin, dest in worst.index]
    assert places == sorted(places)
