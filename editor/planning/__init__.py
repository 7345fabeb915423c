"""The next edit: its draft, what the button would do, and how much each pixel may change."""
