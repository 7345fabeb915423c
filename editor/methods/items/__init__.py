"""Changing items: each pixel of the picture is one item's, and each item reads its own words (D-Edit, Feng et al., arXiv 2403.04880)."""
