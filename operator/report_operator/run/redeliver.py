"""The one stage of a redelivery: what the run has left in the store is sent again; nothing is made anew."""

from collections.abc import Sequence

from report_operator.api.deliveries import Entry
from report_operator.api.redelivery import RedeliveryOrder
from report_operator.api.run import Request, Result
from report_operator.run.delivery import deliver
from report_operator.run.destinations.package import Package
from report_operator.run.kept import Kept
from report_operator.run.ledger import Ledger
from report_operator.run.links import LinksFile
from report_operator.run.publish import put_result
from report_operator.run.redaction import Redactor
from report_operator.run.store import Store
from report_operator.run.upload import Uploader
from report_operator.run.workspace import Workspace


def redeliver(request: Request, order: RedeliveryOrder, workspace: Workspace) -> Result:
    """Send what is ordered, and store ledger and result anew; return the result.

    Every message has the id that it had in the run. Raises RunError: StoreUnavailable, StoreRefused, ArtifactMissing.
    When it is ended before, ledger and result are as they were, and its own ledger tells what has become of the rest.
    """
    file = LinksFile(workspace.links)
    with Store(file) as store:
        kept = Kept(store)
        result, rendered = kept.result, kept.rendered
        concerned = {entry.destination for entry in order.before if entry.id in set(order.again)}
        destinations = [each for each in request.spec.destinations if each.name in concerned]
        kept.fetch(destinations, rendered, result.files, workspace)
        package = Package(request, rendered, result.files, file.read(), workspace, Redactor.of(workspace.secrets))
        entries = deliver(destinations, package, Ledger(store))
        return put_result(Uploader(store, file), result, _with(order, entries))


def _with(order: RedeliveryOrder, new: Sequence[Entry]) -> list[Entry]:
    """Return the ledger with those entries replaced that are sent again; the others stay."""
    newer = {entry.id: entry for entry in new if entry.id in set(order.again)}
    return [newer.get(entry.id, entry) for entry in order.before]
