"""Few primitives that every diffusion method is written in: backend, schedule, noise, guidance, blending, and one sampling loop."""
