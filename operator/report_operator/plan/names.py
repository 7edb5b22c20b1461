"""Names that follow from a Report's identity alone, so that every operator process arrives at the same ones."""

from hashlib import sha256

from report_operator.api.outputs import DEFAULT_STEM, Output

_JOB_NAME_STEM = 46
"""A pod is named after its Job with six more characters; a label value and a host name have at most 63."""
_LABEL_VALUE = 63


def run_id(uid: str, generation: int) -> str:
    """Return the identity of the one run that a Report's generation has: `<uid>-<generation>`."""
    return f"{uid}-{generation}"


def job_name(report: str, uid: str, generation: int) -> str:
    """Return the name of the run's Job and Secret: a DNS label of at most 57 characters, the same every time."""
    digest = sha256(run_id(uid, generation).encode()).hexdigest()[:10]
    return f"{_cut(report.replace('.', '-'), _JOB_NAME_STEM)}-{digest}"


def label_value(text: str) -> str:
    """Return the text as far as it fits into a label value (at most 63 characters, alphanumeric at both ends)."""
    return _cut(text, _LABEL_VALUE)


def run_prefix(namespace: str, report: str, run: str) -> str:
    """Return the folder of a run in the store, with a slash at its end."""
    return f"{namespace}/{report}/{run}/"


def download_name(report: str, output: Output) -> str:
    """Return the file name that a browser saves an output under: `weekly.pdf`, or `weekly-by_product.csv`."""
    stem, _, ending = output.file_name.rpartition(".")
    return f"{report}.{ending}" if stem == DEFAULT_STEM else f"{report}-{stem}.{ending}"


def _cut(text: str, length: int) -> str:
    return text[:length].rstrip("-._")
