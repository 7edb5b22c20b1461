"""The committed CRDs are what the models say."""

import yaml

from report_operator.api.crd import crd_files
from tests.support.apiserver import ROOT


def test_committed_crds_are_up_to_date() -> None:
    committed = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    assert committed == crd_files(), "run `make generate`"


def test_yaml_has_no_anchors_and_reads_back() -> None:
    for text in crd_files().values():
        assert "&id" not in text
        assert yaml.safe_load(text)["kind"] == "CustomResourceDefinition"
