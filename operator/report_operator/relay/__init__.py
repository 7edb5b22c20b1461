"""The platform team's mail relay: passes each mail of a run straight on to the real server, and its answer back."""
