"""Where the template language runs: no files, no network, no Python behind the values, bounded memory.

Templates and texts are the user's code. They see plain values only (dicts, lists, strings, numbers, times): an object
with methods, such as a pydantic model, could be a way out of the sandbox.
"""

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from traceback import walk_tb
from typing import Any

from jinja2 import BaseLoader, DictLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from report_operator.api.conditions import Reason
from report_operator.api.sections import ValueFormat
from report_operator.run import values
from report_operator.run.failure import RunError
from report_operator.run.wording import listed

MEMORY = 256 * 1024 * 1024
"""Bytes that the process may grow by while a template runs. What needs more would be killed without a word."""

_LONGEST_MESSAGE = 500

_STATM = Path("/proc/self/statm")


class Unknown(StrictUndefined):
    """A name that does not exist; the error says which do."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"{self._undefined_name!r} is not known"
        if self._undefined_obj is None:
            return f"there is no {self._undefined_name!r} in something that is not set"
        if isinstance(self._undefined_obj, Mapping):
            return f"there is no {self._undefined_name!r}; there are: {listed(sorted(map(str, self._undefined_obj)))}"
        return str(super()._undefined_message)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates.

    `escape` makes a value safe for the kind of text that is made; without it, values are escaped for HTML.
    """

    def __init__(self, loader: BaseLoader | None = None, escape: Callable[[str], str] | None = None) -> None:
        super().__init__(
            loader=loader or DictLoader({}),
            autoescape=escape is None,
            undefined=Unknown,
            finalize=_Finalizer(escape),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
        )
        for format_ in ValueFormat:
            self.filters[format_.name.lower()] = _filter(format_)

    def fill(self, text: str, variables: Mapping[str, Any]) -> str:
        """Return what a text makes of the variables. Whatever the text raises goes through."""
        with _bounded_memory():
            return self.from_string(text).render(variables)

    def make(self, name: str, variables: Mapping[str, Any]) -> str:
        """Return what the user's template of that name makes. Whatever the template raises goes through."""
        with _bounded_memory():
            return self.get_template(name).render(variables)


@contextmanager
def user_code(name: str, place: str, known: Mapping[str, Any]) -> Iterator[None]:
    """Turn whatever the user's template `name` raises into a RunError that names place and line.

    Raises RunError: TemplateFailed, or OutOfMemory when it needs more than `MEMORY`.
    """
    try:
        yield
    except RunError:
        raise
    except MemoryError as error:
        raise RunError(
            Reason.OUT_OF_MEMORY,
            f"{_line(error, name, place)}: the template needs more than {MEMORY >> 20} MiB of memory; make it smaller",
        ) from error
    # The template is a program of the user: anything can go wrong in it, and it is never our fault.
    except Exception as error:
        known_names = f"; known are: {listed(sorted(known))}" if str(error).endswith("is not known") else ""
        raise RunError(Reason.TEMPLATE_FAILED, f"{_line(error, name, place)}: {_said(error)}{known_names}") from error


def _line(error: BaseException, name: str, place: str) -> str:
    """Return the place with the line of the template that the error came from, if it came from a line."""
    if isinstance(error, TemplateSyntaxError):
        return f"{place}, line {error.lineno}"
    lines = [number for frame, number in walk_tb(error.__traceback__) if frame.f_code.co_filename == name]
    return f"{place}, line {lines[-1]}" if lines else place


def _said(error: Exception) -> str:
    if isinstance(error, TemplateNotFound):
        return f"there is no template {error.name!r}"
    said = error.message if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
    return (said or type(error).__name__)[:_LONGEST_MESSAGE]


class _Finalizer:
    """Writes the value of `{{ … }}`: times and missing values as people read them, text made safe."""

    def __init__(self, escape: Callable[[str], str] | None) -> None:
        self._escape = escape

    def __call__(self, value: Any) -> Any:
        shown = _shown(value)
        if self._escape is None or hasattr(shown, "__html__") or not isinstance(shown, str):
            return shown
        return self._escape(shown)


def _shown(value: Any) -> Any:
    match value:
        case None:
            return values.DASH
        case datetime() if (value.hour, value.minute, value.second) == (0, 0, 0):
            return values.written(value, ValueFormat.DATE)
        case datetime():
            return values.written(value, ValueFormat.DATE_TIME)
        case date() | timedelta() | Decimal():
            return values.written(value, ValueFormat.TEXT)
    return value


def _filter(format_: ValueFormat) -> Callable[[Any], str]:
    """Return the template filter that writes a value in a format: `{{ share | percent }}`."""

    def write(value: Any) -> str:
        return values.written(value, format_)

    return write


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Let the process grow by `MEMORY` only, so that a template gets a MemoryError instead of the pod a kill.

    Linux only; elsewhere (a laptop) nothing is bounded.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if not _STATM.exists():
        yield
        return
    data_pages = int(_STATM.read_text().split()[5])
    limit = data_pages * resource.getpagesize() + MEMORY
    bound = limit if soft == resource.RLIM_INFINITY else min(limit, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
