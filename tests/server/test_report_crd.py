"""What only a Report has, on a real API server; its rules and bounds are in test_crds.py."""

import httpx

from tests.support.report_cases import CASES


def test_defaults_are_visible(api: httpx.Client) -> None:
    small = {**CASES.full, "spec": {"outputs": [{"format": "pdf"}]}}
    spec = CASES.create(api, small).json()["spec"]
    assert spec["template"] == {"name": "standard", "params": {}}
    assert spec["download"] == {"urlTTL": "24h", "refresh": "Auto", "links": "Enabled"}
    assert spec["retention"] == {"ttl": "90d", "onDelete": "Delete"}
    assert spec["run"] == {"timeout": "30m", "retries": 2, "nodeSelector": {}, "tolerations": []}
