"""What the operator costs, measured beside what Kubernetes itself costs. `make bench` runs it."""
