"""The demonstration: what the program does, done in its real window by its real worker, and written as sheets to look at."""
