"""One run: fetch the rows, render the files, publish them. Knows the API and nothing of the cluster."""

import sys

# httpx imports its own command line where click and rich are installed, as they are for kubectl-report: a quarter of
# the time that fetch and publish need to start. With None in its place it does without, as where they are missing.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
