"""What else people keep beside their models: families and add-ons that cannot be used, and how they are told, so that they are refused by name."""

from __future__ import annotations

# By the beginning of a pipeline's class.
OTHER_PIPELINES = (
    ("StableDiffusion3", "Stable Diffusion 3 add-on"),
    ("Flux", "FLUX"),
    ("Kandinsky3", "Kandinsky 3"),
    ("Kandinsky5", "Kandinsky 5"),
    ("KandinskyV22", "Kandinsky 2.2 add-on"),
    ("Kandinsky", "Kandinsky 2.1"),
    ("QwenImage", "Qwen-Image"),
    ("ZImage", "Z-Image"),
    ("PixArt", "PixArt"),
    ("StableCascade", "Stable Cascade"),
)

# By a piece of an array's name: add-ons first, since they repeat the names of what they add to.
ADD_ONS = (
    (("lora_unet_", "lora_te", ".lora_A.", ".lora_B.", ".lora_down.", ".lora.down.", "hada_w1", "lokr_w1"), "a LoRA"),
    (("control_model.", "controlnet_", "control_add_embedding."), "a ControlNet"),
    (("ip_adapter.", "image_proj."), "an IP-Adapter"),
    (("motion_modules.",), "a motion module for video"),
    (("emb_params", "string_to_param"), "a textual inversion"),
)
OTHER_FAMILIES = (
    (("double_blocks.", "single_transformer_blocks."), "a FLUX model"),
    (("cap_embedder.", "noise_refiner."), "a Lumina or Z-Image model"),
    (("clip_txt_mapper.",), "a Stable Cascade model"),
)
