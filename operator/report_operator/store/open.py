"""Opens the store that is set. Only that store's library is loaded: each takes time and memory."""

from report_operator.store.settings import AzureSettings, GcsSettings, S3Settings, StoreSettings
from report_operator.store.store import Store


def open_store(settings: StoreSettings) -> Store:
    """Return the store; raises StoreError when there are no credentials for it."""
    match settings:
        case AzureSettings():
            from report_operator.store.azure import AzureStore  # noqa: PLC0415

            return AzureStore(settings)
        case GcsSettings():
            from report_operator.store.gcs import GcsStore  # noqa: PLC0415

            return GcsStore(settings)
        case S3Settings():
            from report_operator.store.s3 import S3Store  # noqa: PLC0415

            return S3Store(settings)
