"""Decisions, pure: names, manifests, progress of a run, status. Facts and the time in, decisions out."""
