"""The operator process: watches, work queue, reconciliation, health, metrics. The only importer of kopf."""
