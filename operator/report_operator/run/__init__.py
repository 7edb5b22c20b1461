"""One run: fetch the rows, render the files, publish them. Knows the API and nothing of the cluster."""
