"""The object store that artifacts are in: the only importer of its client."""
