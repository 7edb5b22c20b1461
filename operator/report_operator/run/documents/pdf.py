"""PDF: the page set on A4 by WeasyPrint, which may load nothing but what the page itself carries."""

from weasyprint import HTML
from weasyprint.urls import (
    FatalURLFetchingError,
    URLFetcher,
    URLFetcherResponse,
)

from report_operator.api.conditions import Reason
from report_operator.api.outputs import Output
from report_operator.run.documents import Material
from report_operator.run.failure import RunError
from report_operator.run.page import lay_out


class _OwnDataOnly(URLFetcher):  # type: ignore[misc]  # WeasyPrint has no types
    """Hands out data: URIs; anything else ends the document instead of being left out in silence."""

    def __init__(self) -> None:
        super().__init__(allowed_protocols=("data",), allow_redirects=False)

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        if not url.lower().startswith("data:"):
            raise FatalURLFetchingError(url)
        return super().fetch(url, headers)


def write(output: Output, material: Material) -> None:
    """Write the PDF. Raises RunError (TemplateFailed) when a template of the user's cannot be set on paper."""
    page = lay_out(material)
    try:
        HTML(string=page, url_fetcher=_OwnDataOnly(), base_url="page:").write_pdf(
            material.target(output), pdf_identifier=material.document.id.encode()
        )
    except FatalURLFetchingError as error:
        raise RunError(
            Reason.TEMPLATE_FAILED,
            f"the page asks for {str(error)[:200]!r}: documents load nothing from outside; put it into the template"
            " as a data: URI",
        ) from error
    except MemoryError:
        raise
    # The user's HTML and CSS: WeasyPrint has no one error for what it cannot set.
    except Exception as error:
        if material.template.config_map_ref is None:
            raise
        raise RunError(
            Reason.TEMPLATE_FAILED,
            f"template {material.document.template}: the page cannot be set as PDF:"
            f" {type(error).__name__}: {str(error)[:200]}",
        ) from error
