"""The state of one open document, and the commands that change it."""
