"""A one-node Kubernetes without a container engine, the programs around it and the images it runs.

Only the standard library is imported here: the programs `kind`, `tool` and `image` beside this file
run on a bare `python3`, before anything is installed.
"""
