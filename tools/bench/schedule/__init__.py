"""Many schedules, on a real API server without nodes: beside Kubernetes' own CronJobs, and at rest."""
