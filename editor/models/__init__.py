"""Models on disk: which families there are, what lies in a folder, what it needs. Free of torch: the window lists models before it is loaded."""
