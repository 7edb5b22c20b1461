"""The Job of a run: one pod, three stages after each other, each with no more than it needs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from report_operator.api.conditions import RUN_STAGES, Stage
from report_operator.api.fields import parse_duration
from report_operator.api.job import Resources
from report_operator.api.metadata import KUEUE_QUEUE_LABEL, SCHEDULE_UID_LABEL
from report_operator.api.preflight import ORDER_VARIABLE
from report_operator.api.redelivery import ORDER_FILE
from report_operator.api.report import ReportSpec
from report_operator.api.run import (
    CONFIG_MAPS_DIR,
    DATA_DIR,
    DIGEST_VARIABLE,
    LINKS_FILE,
    OUTPUTS_DIR,
    REQUEST_FILE,
    SECRETS_DIR,
    Request,
)
from report_operator.api.sources import KeySelector
from report_operator.plan import child, cloud_identity
from report_operator.plan.failure import FINAL_EXIT_CODES
from report_operator.plan.subject import Subject

Json = dict[str, Any]

_TMP = PurePosixPath("/tmp")  # noqa: S108 - a volume of the container's own
_PROBE_SECONDS = 120
"""Longest time of a probe, and how long its Job stays."""
_PROBE_SIZE = "64Mi"


@dataclass(frozen=True)
class RunDefaults:
    """What the platform team sets for all runs."""

    image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the namespace of the Report."""
    resources: Resources = field(default_factory=Resources)
    """Of each container, where the Report has none."""
    scratch_size: str = "10Gi"
    """Limit of each of the run's scratch volumes."""


def manifest(subject: Subject, ordered: Request, defaults: RunDefaults) -> Json:
    """Return the Job of a run. It passes the restricted Pod Security Standard.

    The stages before the last are init containers, so that each starts when the one before has ended well. There is no
    time to live: the operator sets it after the result is on record, so that an outage of the operator loses none.
    """
    return _job(subject, ordered.spec, child.metadata(subject), _pod(subject, ordered, defaults))


def redelivery(subject: Subject, ordered: Request, defaults: RunDefaults, metadata: Json) -> Json:
    """Return the Job that sends again what the run has made, with one container; the Secret has the same name."""
    spec = ordered.spec
    volumes = [
        _secret_volume("request", metadata["name"], [REQUEST_FILE.name]),
        _secret_volume("links", metadata["name"], [LINKS_FILE.name, ORDER_FILE.name]),
        *_delivery_volumes(_delivery_secrets(spec)),
        *(_scratch_volume(name, defaults.scratch_size) for name in ("outputs", f"tmp-{Stage.REDELIVER}")),
    ]
    containers = {"containers": [_container(Stage.REDELIVER, spec, defaults, _digest(ordered))]}
    return _job(subject, spec, metadata, _pod_with(containers, volumes, spec, defaults))


def probe(metadata: Json, order: str, spec: ReportSpec, defaults: RunDefaults) -> Json:
    """Return the Job that probes the destinations of a spec: one try of one container, which has their Secrets."""
    secrets = enumerate(_delivery_secrets(spec))
    container = _container(Stage.PUBLISH, spec, defaults, {"name": ORDER_VARIABLE, "value": order}) | {
        "name": "probe",
        "command": ["report-operator", "probe"],
        "resources": defaults.resources.to_wire(),
        "volumeMounts": [
            *(_mount(f"delivery-{n}", SECRETS_DIR / name) for n, name in secrets),
            _mount("outputs", OUTPUTS_DIR, writable=True),
            _mount("tmp", _TMP, writable=True),
        ],
    }
    volumes = [
        *_delivery_volumes(_delivery_secrets(spec)),
        *(_scratch_volume(name, _PROBE_SIZE) for name in ("outputs", "tmp")),
    ]
    labels = metadata["labels"] | cloud_identity.labels(spec)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "activeDeadlineSeconds": _PROBE_SECONDS,
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": _PROBE_SECONDS,
            "template": {
                "metadata": {"labels": labels, "annotations": cloud_identity.annotations(spec)},
                "spec": _pod_with({"containers": [container]}, volumes, spec, defaults),
            },
        },
    }


def _job(subject: Subject, spec: ReportSpec, metadata: Json, pod: Json) -> Json:
    run, queue = spec.run, spec.run.kueue_queue_name
    own = _labels(subject) | ({KUEUE_QUEUE_LABEL: queue} if queue else {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata | {"labels": metadata["labels"] | own},
        "spec": {
            **({"suspend": True} if queue else {}),
            "activeDeadlineSeconds": int(parse_duration(run.timeout).total_seconds()),
            "backoffLimit": run.retries,
            "podReplacementPolicy": "Failed",  # Never two pods of a run at once.
            "podFailurePolicy": {
                "rules": [
                    # A drained node or a preemption is not the run's failure, and comes first: it may end in 137 too.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {"operator": "In", "values": list(FINAL_EXIT_CODES)},
                    },
                ]
            },
            "template": {
                "metadata": {
                    "labels": child.labels(subject) | cloud_identity.labels(spec),
                    "annotations": cloud_identity.annotations(spec),
                },
                "spec": pod,
            },
        },
    }


def _labels(subject: Subject) -> dict[str, str]:
    """Return the labels that tell whose run it is among those that hold a place in the run queue."""
    schedule = subject.metadata.labels.get(SCHEDULE_UID_LABEL)
    return {SCHEDULE_UID_LABEL: schedule} if schedule else {}


def _pod(subject: Subject, ordered: Request, defaults: RunDefaults) -> Json:
    spec = ordered.spec
    digest = _digest(ordered)
    fetch, render, publish = (_container(stage, spec, defaults, digest) for stage in RUN_STAGES)
    secrets = _by_name(ref for source in spec.sources for ref in source.secrets)
    data = _by_name(source.config_map for source in spec.sources if source.config_map)
    volumes = [
        _secret_volume("request", subject.job_name, [REQUEST_FILE.name]),
        _secret_volume("links", subject.job_name, [LINKS_FILE.name]),
        *(_secret_volume(f"secret-{n}", name, keys) for n, (name, keys) in enumerate(secrets.items())),
        *_delivery_volumes(_publish_secrets(spec)),
        *(_config_map_volume(f"data-{n}", name, keys) for n, (name, keys) in enumerate(data.items())),
        *(_config_map_volume("template", ref.name, [ref.key]) for ref in [spec.template.config_map_ref] if ref),
        *(_scratch_volume(name, defaults.scratch_size) for name in ("data", "outputs")),
        *(_scratch_volume(f"tmp-{stage}", defaults.scratch_size) for stage in RUN_STAGES),
    ]
    return _pod_with({"initContainers": [fetch, render], "containers": [publish]}, volumes, spec, defaults)


def _pod_with(containers: Json, volumes: list[Json], spec: ReportSpec, defaults: RunDefaults) -> Json:
    run = spec.run
    pod: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # They would put an environment variable in for every Service.
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        **containers,
        "volumes": volumes,
    }
    optional = {
        "nodeSelector": run.node_selector,
        "tolerations": [toleration.to_wire() for toleration in run.tolerations],
        "serviceAccountName": run.service_account_name,
        "imagePullSecrets": [{"name": name} for name in defaults.image_pull_secrets],
    }
    return pod | {key: value for key, value in optional.items() if value}


def _digest(ordered: Request) -> Json:
    """Return the variable by which a stage sees that its request is the operator's.

    Who may write Secrets may put another one in its place, with another spec and no policy; the Job's pods are not
    theirs.
    """
    return {"name": DIGEST_VARIABLE, "value": ordered.digest}


def _container(stage: Stage, spec: ReportSpec, defaults: RunDefaults, variable: Json) -> Json:
    return {
        "name": stage.value,
        "image": defaults.image,
        "imagePullPolicy": defaults.image_pull_policy,
        "command": ["report-operator", "run", stage.value],
        "env": [variable],
        "resources": (spec.run.resources or defaults.resources).to_wire(),
        "terminationMessagePolicy": "File",  # Logs could hold what the status must not.
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [*_mounts(stage, spec), _mount(f"tmp-{stage}", _TMP, writable=True)],
    }


def _mounts(stage: Stage, spec: ReportSpec) -> list[Json]:
    request = _mount("request", REQUEST_FILE.parent)
    if stage is Stage.FETCH:
        secrets = _by_name(ref for source in spec.sources for ref in source.secrets)
        data = _by_name(source.config_map for source in spec.sources if source.config_map)
        return [
            request,
            *(_mount(f"secret-{n}", SECRETS_DIR / name) for n, name in enumerate(secrets)),
            *(_mount(f"data-{n}", CONFIG_MAPS_DIR / name) for n, name in enumerate(data)),
            _mount("data", DATA_DIR, writable=True),
        ]
    if stage is Stage.RENDER:
        template = spec.template.config_map_ref
        return [
            request,
            *([_mount("template", CONFIG_MAPS_DIR / template.name)] if template else []),
            _mount("data", DATA_DIR),
            _mount("outputs", OUTPUTS_DIR, writable=True),
        ]
    secrets = _publish_secrets(spec) if stage is Stage.PUBLISH else _delivery_secrets(spec)
    return [
        request,
        _mount("links", LINKS_FILE.parent),
        *(_mount(f"delivery-{n}", SECRETS_DIR / name) for n, name in enumerate(secrets)),
        _mount("outputs", OUTPUTS_DIR, writable=stage is Stage.REDELIVER or bool(_passwords(spec))),
    ]


def _delivery_volumes(secrets: dict[str, list[str]]) -> list[Json]:
    wanted = enumerate(secrets.items())
    return [_secret_volume(f"delivery-{n}", name, keys, optional=True) for n, (name, keys) in wanted]


def _delivery_secrets(spec: ReportSpec) -> dict[str, list[str]]:
    return _by_name(_delivery_keys(spec))


def _publish_secrets(spec: ReportSpec) -> dict[str, list[str]]:
    """Return those of destinations, and the passwords of files: publish encrypts, so that no template reaches them."""
    return _by_name([*_delivery_keys(spec), *_passwords(spec)])


def _delivery_keys(spec: ReportSpec) -> list[KeySelector]:
    return [key for destination in spec.destinations for key in destination.secrets]


def _passwords(spec: ReportSpec) -> list[KeySelector]:
    return [output.password_key for output in spec.outputs if output.password_key]


def _by_name(selectors: Iterable[KeySelector]) -> dict[str, list[str]]:
    """Return the keys that are wanted of each object, both in the order in which they are first named."""
    wanted: dict[str, list[str]] = {}
    for selector in selectors:
        keys = wanted.setdefault(selector.name, [])
        if selector.key not in keys:
            keys.append(selector.key)
    return wanted


def _mount(volume: str, path: PurePosixPath, *, writable: bool = False) -> Json:
    return {"name": volume, "mountPath": str(path)} | ({} if writable else {"readOnly": True})


def _items(keys: list[str]) -> list[Json]:
    return [{"key": key, "path": key} for key in keys]


def _secret_volume(volume: str, name: str, keys: list[str], *, optional: bool = False) -> Json:
    """Return a volume; without an optional Secret, or a key of it, the pod starts all the same.

    Those of destinations are optional: one that cannot be used must not hold up the files and the other destinations.
    So are passwords, which share Secrets with them: publish says that one is missing, and stores nothing.
    """
    secret: Json = {"secretName": name, "items": _items(keys)}
    return {"name": volume, "secret": secret | ({"optional": True} if optional else {})}


def _config_map_volume(volume: str, name: str, keys: list[str]) -> Json:
    return {"name": volume, "configMap": {"name": name, "items": _items(keys)}}


def _scratch_volume(volume: str, size: str) -> Json:
    return {"name": volume, "emptyDir": {"sizeLimit": size}}
