"""The objects that are measured: ScheduledReports, CronJobs with the same Job, Reports that have ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from report_operator.api.conditions import ConditionType, Phase, Reason
from report_operator.api.metadata import API_VERSION, Trigger
from report_operator.api.outputs import OutputFormat
from report_operator.api.report import Artifact, Condition, Period, ReportStatus
from report_operator.plan import names
from report_operator.plan.links import renewal_time
from report_operator.plan.schedule.child import Run
from report_operator.plan.schedule.subject import Subject
from tests.support.apiserver import ROOT
from tests.support.manifests import load
from tests.support.seaweedfs import BUCKET, SeaweedFS

Json = dict[str, Any]

_SMALL: Json = load(ROOT / "tests/data/input/bench-small.yaml")["spec"]
_FILES = (("report.pdf", OutputFormat.PDF, 48_213), ("sales.csv", OutputFormat.CSV, 52))
_LINK_SECONDS = 24 * 3600


def scheduled_report(name: str, line: str) -> Json:
    """Return a ScheduledReport with this cron line (UTC), whose runs write two files from inline rows.

    The Jobs are made suspended and left to a queue of Kueue's that is not there: nothing runs.
    """
    spec = {key: value for key, value in _SMALL.items() if key != "period"}
    spec["outputs"] = [{"format": "pdf"}, {"format": "csv", "table": "sales"}]
    spec["run"] = {"kueueQueueName": "bench"}
    return {
        "apiVersion": API_VERSION,
        "kind": "ScheduledReport",
        "metadata": {"name": name},
        "spec": {"schedule": [line], "template": {"spec": spec}},
    }


def report(name: str) -> Json:
    """Return a Report that a user has made."""
    return {"apiVersion": API_VERSION, "kind": "Report", "metadata": {"name": name}, "spec": _SMALL}


def copy_of(sample: Mapping[str, Any], name: str) -> Json:
    """Return an object as it was before the API server had it, with another name."""
    metadata = {key: sample["metadata"][key] for key in ("labels", "annotations") if key in sample["metadata"]}
    copy = {key: value for key, value in sample.items() if key not in ("metadata", "status")}
    if "selector" in copy.get("spec", {}):
        copy["spec"] = _job_spec(sample)
    return copy | {"metadata": metadata | {"name": name}}


def cron_job(name: str, line: str, job: Mapping[str, Any]) -> Json:
    """Return a CronJob with this cron line (UTC) and the Job of one of our runs as the API server holds it."""
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": line, "timeZone": "Etc/UTC", "jobTemplate": {"spec": _job_spec(job)}},
    }


def _job_spec(job: Mapping[str, Any]) -> Json:
    """Return the spec without what the API server adds."""
    spec = {key: value for key, value in job["spec"].items() if key not in ("selector", "manualSelector")}
    return spec | {"template": {**spec["template"], "metadata": {}}}


def cron_line(slot: datetime) -> str:
    """Return the line that fires every day at this minute (UTC)."""
    utc = slot.astimezone(UTC)
    return f"{utc.minute} {utc.hour} * * *"


@dataclass(frozen=True)
class FinishedReports:
    """Makes Reports as runs of a schedule leave them: with links, sizes, digests and conditions.

    Their links were signed at different times, so that some are due for renewal at any time, as in a real cluster.
    """

    links: Mapping[tuple[str, str], str]
    """A signed link for each file and disposition. All Reports have the same: their length is what counts."""
    now: datetime

    @classmethod
    def signed_by(cls, store: SeaweedFS, now: datetime) -> "FinishedReports":
        """Sign the links."""
        client = store.client()
        links = {
            (name, disposition): client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": BUCKET,
                    "Key": f"bench/schedule-00000-20260101-0600-0123456789/{'0' * 36}-1/{name}",
                    "ResponseContentDisposition": f'{disposition}; filename="schedule-00000-20260101-0600-{name}"',
                    "ResponseContentType": kind.media_type,
                },
                ExpiresIn=_LINK_SECONDS,
            )
            for name, kind, _ in _FILES
            for disposition in ("attachment", "inline")
        }
        return cls(links, now)

    def report(self, schedule: Json, days_ago: int) -> Json:
        """Return the Report of a run that many days ago of a ScheduledReport as the API server holds it."""
        subject, slot = Subject.from_manifest(schedule), self.now - timedelta(days=days_ago)
        if subject.spec is None:
            raise ValueError(subject.problem)
        run = Run(subject, Trigger.SCHEDULED, "", slot)
        return run.manifest(subject.spec, Period(start=slot - timedelta(days=1), end=slot), ZoneInfo("UTC"))

    def status(self, report: Json, age: float) -> Json:
        """Return the status of such a Report when it has succeeded.

        `age` is the part, from 0 to 1, of the time from the signing of its links to their renewal that has passed.
        """
        uid, generation = report["metadata"]["uid"], report["metadata"]["generation"]
        life = timedelta(seconds=_LINK_SECONDS)
        ended_at = self.now - age * (renewal_time(uid, self.now, self.now + life) - self.now)
        run_id = names.run_id(uid, generation)
        ready = Condition(
            type=ConditionType.READY,
            status="True",
            reason=Reason.SUCCEEDED,
            message="2 files in the store.",
            last_transition_time=ended_at,
            observed_generation=generation,
        )
        status = ReportStatus(
            observed_generation=generation,
            phase=Phase.SUCCEEDED,
            reason=Reason.SUCCEEDED,
            message=ready.message,
            run_id=run_id,
            job_name=names.job_name(report["metadata"]["name"], uid, generation),
            attempt=1,
            period=Period.model_validate(report["spec"]["period"]),
            start_time=ended_at - timedelta(seconds=12),
            completion_time=ended_at,
            artifacts=[self._artifact(run_id, *file, expire_at=ended_at + life) for file in _FILES],
            links_renew_at=renewal_time(uid, ended_at, ended_at + life),
            conditions=[ready],
        )
        return status.to_wire()

    def _artifact(self, run_id: str, name: str, kind: OutputFormat, size: int, *, expire_at: datetime) -> Artifact:
        return Artifact(
            name=name,
            format=kind,
            media_type=kind.media_type,
            size=size,
            sha256="0123456789abcdef" * 4,
            uri=f"s3://{BUCKET}/bench/schedule-00000-20260101-0600-0123456789/{run_id}/{name}",
            download_url=self.links[name, "attachment"],
            view_url=self.links[name, "inline"],
            url_expires_at=expire_at,
        )
