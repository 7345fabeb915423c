"""Kandinsky 2.2."""
