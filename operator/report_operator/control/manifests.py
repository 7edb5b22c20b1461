"""Objects as they were last seen, so that a look need not ask for them again."""

import json
import zlib

from report_operator.api.report import key_of
from report_operator.cluster.connection import Json
from report_operator.control.controller import Key
from report_operator.plan.managed_fields import in_brief


class Manifests:
    """The last seen state of objects, by namespace and name; packed, as ten thousand are to fit into a few megabytes.

    What a watch tells may be older than what a write has returned, so only a newer state replaces an older one.
    Resource versions can be compared (KEP-5504; they are etcd's revisions in all versions before it).
    """

    def __init__(self) -> None:
        self._packed: dict[Key, tuple[int, bytes]] = {}

    def put(self, manifest: Json) -> bool:
        """Remember an object, unless this or a newer state is known; return whether it was news."""
        known = self._packed.get(key_of(manifest))
        is_news = known is None or known[0] < _version(manifest)
        if is_news:
            self.amend(manifest)
        return is_news

    def amend(self, manifest: Json) -> None:
        """Remember an object as it will be when what was decided about it is written."""
        self._packed[key_of(manifest)] = (
            _version(manifest),
            zlib.compress(json.dumps(in_brief(manifest)).encode(), level=1),
        )

    def get(self, key: Key) -> Json | None:
        """Return the object; None when it is not known."""
        known = self._packed.get(key)
        if known is None:
            return None
        manifest: Json = json.loads(zlib.decompress(known[1]))
        return manifest

    def __len__(self) -> int:
        """Return how many objects are known."""
        return len(self._packed)

    def __contains__(self, key: Key) -> bool:
        """Return whether the object is known."""
        return key in self._packed

    def keys(self, namespace: str | None = None) -> list[Key]:
        """Return the keys of the objects that are known, of one namespace or all."""
        return [key for key in self._packed if namespace in {None, key[0]}]

    def take(self, key: Key) -> Json | None:
        """Return the object and forget it; None when it is not known."""
        manifest = self.get(key)
        self.drop(key)
        return manifest

    def drop(self, key: Key) -> None:
        """Forget the object."""
        self._packed.pop(key, None)


def _version(manifest: Json) -> int:
    return int(manifest["metadata"]["resourceVersion"])
