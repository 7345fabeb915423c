"""The bar that floats over the canvas."""
