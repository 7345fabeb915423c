"""Model families, one folder each; the table is in `registry`. `family.py` of each needs no torch, `backend.py` does and is imported late."""
