"""What a call to the store can fail with."""


class StoreError(Exception):
    """The store cannot be reached, or refuses what the operator needs. The text names both, and no credentials."""
