"""The practice model: a small world whose every edit has a true answer, and the training of a model that knows it."""
