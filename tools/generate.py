"""Write every generated file: CRDs, the chart's copies, plain manifests, reference pages, the tests of requirements."""

from pathlib import Path

from report_operator.api.crd import crd_files
from report_operator.api.reference import reference_pages
from tools import chart, requirements

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write what changed and say so."""
    files = {f"crds/{name}": text for name, text in crd_files().items()}
    files |= {f"docs/reference/{name}": text for name, text in reference_pages().items()}
    for name, text in files.items():
        path = ROOT / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"    wrote {name}")
    chart.main()
    requirements.main()


if __name__ == "__main__":
    main()
