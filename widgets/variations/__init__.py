"""The strip of results to choose from."""
