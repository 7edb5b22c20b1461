"""Measure (f), (g) and (h)."""

import argparse
import asyncio
from collections.abc import Iterator

from tools.bench import page
from tools.bench.delivery import mail, renewal, upload
from tools.bench.figures import Section


def main() -> None:
    """Run everything. Takes some minutes on two cores with the sizes that are the default."""
    parser = page.arguments("What publish sends, beside programs that do nothing else; all on this machine.")
    parser.add_argument("--mebibytes", type=int, default=2048, help="size of the file to upload; 0 leaves that out")
    parser.add_argument("--rounds", type=int, default=3, help="uploads of either kind, in turn")
    parser.add_argument("--mails", type=int, default=1000, help="mails to send; 0 leaves that out")
    parser.add_argument("--reports", type=int, default=20_000, help="kept Reports with links; 0 leaves that out")
    parser.add_argument("--rest-seconds", type=float, default=300, help="how long the operator with them is looked at")
    options = parser.parse_args()
    page.publish(_measure(options), options.page, options.output)


def _measure(options: argparse.Namespace) -> Iterator[Section]:
    if options.mebibytes:
        yield upload.measure(options.mebibytes, options.rounds)
    if options.mails:
        yield mail.measure(options.mails, options.rounds)
    if options.reports:
        yield asyncio.run(renewal.measure(options.reports, options.rest_seconds))


if __name__ == "__main__":
    main()
