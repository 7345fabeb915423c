"""Tools of development: benchmarks, demo, screenshots, random driver, and the practice model's trainer."""
