"""A picture as a value: tiles, masks, items, exemplars, layers, and their history."""
