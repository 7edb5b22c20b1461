"""Measure (d) and (e)."""

import argparse
import asyncio
from collections.abc import Iterator

from tools.bench import page
from tools.bench.figures import Section
from tools.bench.schedule import lateness, rest


def main() -> None:
    """Run both. Takes about an hour on two cores with the sizes that are the default."""
    parser = page.arguments("Many schedules on a real API server without nodes, beside Kubernetes' own CronJobs.")
    parser.add_argument("--at-once", type=int, nargs="*", default=[1_000, 10_000], help="schedules due in one minute")
    parser.add_argument("--cronjob-seconds", type=float, default=600, help="longest wait for Jobs of CronJobs")
    parser.add_argument("--schedules", type=int, default=10_000, help="schedules at rest; 0 leaves that out")
    parser.add_argument("--reports", type=int, default=20_000, help="finished Reports beside them")
    parser.add_argument("--idle-seconds", type=float, default=660, help="how long the CPU at rest is looked at")
    options = parser.parse_args()
    page.publish(_measure(options), options.page, options.output)


def _measure(options: argparse.Namespace) -> Iterator[Section]:
    if options.at_once:
        yield asyncio.run(lateness.measure(options.at_once, options.cronjob_seconds))
    if options.schedules:
        yield asyncio.run(rest.measure(options.schedules, options.reports, options.idle_seconds))


if __name__ == "__main__":
    main()
