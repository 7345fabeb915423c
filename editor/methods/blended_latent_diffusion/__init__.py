"""Blended Latent Diffusion: words inside a region, the rest kept exactly (Avrahami, Fried and Lischinski, arXiv 2206.02779)."""
