"""What a model sees of the picture, and the exact way back."""
