"""Tells what the demo does: numbered steps, what goes on in them, how long each took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn


class Story:
    """The steps so far and their times."""

    def __init__(self, steps: int) -> None:
        """Expect so many steps."""
        self.console = Console(highlight=False, soft_wrap=True)
        self._steps = steps
        self._began = time.monotonic()
        self._times: list[tuple[str, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say that a step begins, and how long it took."""
        began = time.monotonic()
        self.console.print(f"[bold]{len(self._times) + 1}/{self._steps}  {title}[/bold]")
        yield
        self._times.append((title, time.monotonic() - began))
        self.console.print(f"     [green]done[/green] in {self._times[-1][1]:.1f} s")

    def say(self, text: str) -> None:
        """Add a line to the present step."""
        self.console.print(f"     {text}", markup=False)

    @contextmanager
    def amount(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show a bar; the function given takes bytes done and bytes in all."""
        columns = (TextColumn("     {task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    @contextmanager
    def waiting(self) -> Iterator[Callable[[str], None]]:
        """Show a line that changes; where there is no terminal, a line for each change."""
        last = ""
        with self.console.status("") as status:

            def show(text: str) -> None:
                nonlocal last
                status.update(f"     {text}")
                if text != last and not self.console.is_terminal:
                    self.say(text)
                last = text

            yield show

    def times(self) -> str:
        """Return what took how long, a line each."""
        rows = [*self._times, ("all", time.monotonic() - self._began)]
        return "\n".join(f"{seconds:7.1f} s  {title}" for title, seconds in rows)
