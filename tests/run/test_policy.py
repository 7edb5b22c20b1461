"""A run under a policy: rows, bytes and addresses that it alone can tell, and what it ends with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from report_operator.api.conditions import Reason
from report_operator.api.deliveries import DeliveryState
from report_operator.api.policy import Policy
from report_operator.api.run import EXIT_USER_ERROR, Request
from report_operator.run.failure import RunError
from report_operator.run.fetch import fetch
from report_operator.run.publish import publish
from report_operator.run.render import render
from report_operator.run.workspace import Workspace
from tests.support import rendering
from tests.support.http_server import HttpServer
from tests.support.seaweedfs import SeaweedFS
from tests.support.shipping import OUTPUTS, SOURCES, Shipment

Order = Callable[..., Request]
THREE = {"name": "sales", "inline": {"rows": [{"a": 1}, {"a": 2}, {"a": 3}]}}
DOUBLED = {"name": "doubled", "query": "select * from sales union all select * from sales"}


def under(request: Request, **fields: Any) -> Request:
    """Return the request with a policy of these fields."""
    return request.model_copy(update={"policy": Policy.read(fields)})


def refusal_of_fetch(request: Request, workspace: Workspace) -> str:
    with pytest.raises(RunError) as raised:
        fetch(request, workspace)
    assert (raised.value.reason, raised.value.exit_code) == (Reason.NOT_ALLOWED_BY_POLICY, EXIT_USER_ERROR)
    return raised.value.message


def test_the_policy_arrives_in_the_run(order: Order) -> None:
    request = under(order(sources=[THREE]), maxRows=5, webhookNetworks=["10.0.0.0/8"])
    assert Request.model_validate_json(request.model_dump_json(by_alias=True, exclude_none=True)) == request


@pytest.mark.parametrize("most", [0, 3])
def test_as_many_rows_as_may_be(order: Order, workspace: Workspace, most: int) -> None:
    assert fetch(under(order(sources=[THREE]), maxRows=most), workspace).tables["sales"].rows == 3


@pytest.mark.parametrize(("most", "place"), [(2, "source 'sales' has 3 rows, at most 2"), (5, "table 'doubled' has 6")])
def test_more_rows_than_may_be(order: Order, workspace: Workspace, most: int, place: str) -> None:
    request = under(order(sources=[THREE], tables=[DOUBLED]), maxRows=most)
    assert f"maxRows: {place}" in refusal_of_fetch(request, workspace)


def test_files_that_are_too_large(tmp_path: Path) -> None:
    request, workspace = rendering.sample("onepage", tmp_path)
    size = sum((workspace.outputs / file.name).stat().st_size for file in render(request, workspace).files)
    render(under(request, maxSize=str(2 * size)), workspace)
    with pytest.raises(RunError, match=r"maxSize: the files have .* at most 1k; change the Report, or ask") as raised:
        render(under(request, maxSize="1k"), workspace)
    assert raised.value.reason is Reason.NOT_ALLOWED_BY_POLICY
    assert not workspace.rendered.exists(), "nothing is published"


def test_a_source_on_loopback(order: Order, workspace: Workspace, web: HttpServer) -> None:
    web.answer('[{"a": 1}]')
    request = order(sources=[{"name": "answer", "http": {"url": f"{web.url}/rows?token=hidden"}}])
    said = refusal_of_fetch(under(request), workspace)
    assert f"source 'answer': {web.url}/rows: not allowed by the platform team: sourceNetworks: 127.0.0.1 is" in said
    assert "hidden" not in said
    assert web.asked == []
    assert fetch(under(request, sourceNetworks=["127.0.0.0/8"]), workspace).tables["answer"].rows == 1


def test_a_source_that_redirects_to_where_it_may_not(order: Order, workspace: Workspace, web: HttpServer) -> None:
    web.answer(status=302, Location="http://169.254.169.254/latest/meta-data/")
    request = order(sources=[{"name": "answer", "http": {"url": web.url}}])
    said = refusal_of_fetch(under(request, sourceNetworks=["127.0.0.0/8", "169.254.0.0/16"]), workspace)
    assert "169.254.169.254 is link-local, a cloud's metadata service or reserved: never allowed" in said


def test_a_webhook_that_is_refused_holds_up_no_other(
    order: Order, store: SeaweedFS, workspace: Workspace, web: HttpServer, put_secret: Callable[[str, str, str], Any]
) -> None:
    """The URL is in a Secret, so that the operator could not see it."""
    web.answer()
    hidden = put_secret("hook", "url", "http://127.0.0.2/in/secret-part")
    chat = put_secret("chat", "url", "http://169.254.169.254/latest")
    keys = {name: put_secret("keys", name, "x" * 20) for name in ("idFrom", "secretFrom")}
    places = [
        {"name": "bucket", "s3": {"bucket": "reports", "endpoint": store.endpoint, "accessKey": keys}},
        {"name": "refused", "webhook": {"urlFrom": hidden}},
        {"name": "chat", "slack": {"urlFrom": chat}},
        {"name": "allowed", "webhook": {"url": web.url}},
    ]
    wanted = order(sources=SOURCES, outputs=OUTPUTS, destinations=places)
    shipment = Shipment.prepare(store, under(wanted, webhookNetworks=["127.0.0.1/32"]), "policy", workspace)
    messages = {"chat": {"subject": "x", "text": "y"}}
    rendered = shipment.rendered.model_validate(shipment.rendered.to_wire() | {"messages": messages})
    publish(shipment.request, rendered, shipment.workspace)
    bucket, refused, metadata, allowed = shipment.ledger()
    assert (bucket.state, bucket.attempts) == (DeliveryState.FAILED, 1)
    assert "bucketNetworks: 127.0.0.1 is not public" in (bucket.last_error or "")
    assert (refused.state, metadata.state) == (DeliveryState.FAILED, DeliveryState.FAILED)
    assert allowed.state is DeliveryState.SENT
    assert "webhookNetworks: 127.0.0.2 is not public" in (refused.last_error or "")
    assert "secret-part" not in (refused.last_error or "")
    assert "169.254.169.254 is link-local" in (metadata.last_error or "")
    assert (refused.attempts, len(web.asked)) == (1, 1)
