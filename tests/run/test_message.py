"""What destinations tell people."""

from collections.abc import Callable
from typing import Any

import pytest

from report_operator.api.outputs import OutputFormat
from report_operator.api.run import RenderedFile, Request
from report_operator.run.message import Letter, compose

MAIL = {"server": {"host": "smtp.example.com"}, "from": "reports@example.com", "to": ["me@example.com"]}

REPORT = {"title": "Weekly", "namespace": "team-a", "name": "weekly", "run_id": "0b8e-1", "created_at": None}


@pytest.mark.requirement("N12")
@pytest.mark.parametrize(("is_test", "subject"), [(True, "[Test] Weekly"), (False, "Weekly")])
def test_a_test_says_so_in_its_subject(order: Callable[..., Request], is_test: bool, subject: str) -> None:
    made = order(destinations=[{"name": "team", "email": MAIL | {"subject": "Weekly"}}])
    request = made.model_copy(update={"is_test": is_test})
    files = [RenderedFile(name="report.json", format=OutputFormat.JSON)]
    variables: dict[str, Any] = {"metrics": {}, "report": REPORT, "period": None}
    message = compose(request.spec.destinations[0], Letter(request, variables, files, {"report.json": 1}), "spec")
    assert message is not None
    assert message.subject == subject
