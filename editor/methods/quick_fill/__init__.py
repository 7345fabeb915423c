"""Quick fill: removing, healing, moving and compositing without a model, by shift maps and graph cuts."""
