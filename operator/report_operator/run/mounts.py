"""Values of Secrets and files of ConfigMaps, as the kubelet mounts them into a stage."""

from pathlib import Path

from report_operator.api.conditions import Reason
from report_operator.api.sources import Header, KeySelector
from report_operator.run.failure import RunError
from report_operator.run.workspace import Workspace


def secret_value(workspace: Workspace, selector: KeySelector) -> str:
    """Return the value of a Secret's key without blanks and line ends around it, which an editor or `echo` adds.

    Raises RunError(SecretNotFound) when there is no such Secret or key, RunError(InvalidSpec) when the value is
    empty or no text.
    """
    path = workspace.secrets / selector.name / selector.key
    if not path.is_file():
        raise _missing(Reason.SECRET_NOT_FOUND, "Secret", selector)
    try:
        value = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        value = ""
    if not value:
        raise RunError(
            Reason.INVALID_SPEC,
            f"{place_of(selector)} is empty or not UTF-8 text: set it to the value",
        )
    return value


def place_of(selector: KeySelector) -> str:
    """Return what messages call a Secret's key."""
    return f"key {selector.key!r} of Secret {selector.name!r}"


def header_value(workspace: Workspace, header: Header, place: str) -> str:
    """Return the value of an HTTP header; raises as `secret_value`, also for what cannot be sent.

    `place` is what messages call the source or destination that has the header.
    """
    where, value = "its value", header.value or ""
    if header.value_from:
        selector = header.value_from.secret_key_ref
        where, value = place_of(selector), secret_value(workspace, selector)
    if not value.isprintable() or not value.isascii():
        raise RunError(
            Reason.INVALID_SPEC,
            f"{place}: header {header.name!r}: {where} has a line break or another character that cannot be"
            " sent: use printable ASCII",
        )
    return value


def config_map_file(workspace: Workspace, selector: KeySelector) -> Path:
    """Return the file of a ConfigMap's key; raises RunError(ConfigMapNotFound) when there is none."""
    path = workspace.config_maps / selector.name / selector.key
    if not path.is_file():
        raise _missing(Reason.CONFIG_MAP_NOT_FOUND, "ConfigMap", selector)
    return path


def _missing(reason: Reason, kind: str, selector: KeySelector) -> RunError:
    return RunError(
        reason,
        f"there is no {kind} {selector.name!r} with key {selector.key!r} in the Report's namespace:"
        f" create it or correct the reference, then edit the Report to run it again",
    )
