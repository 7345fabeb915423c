"""A practice model that knows nothing, for tests of what is around it."""

from __future__ import annotations

from pathlib import Path

import torch

from app.dev.practice.autoencoder import make_vae
from app.dev.practice.clip import ClipLesson
from app.dev.practice.denoiser import make_denoiser
from app.dev.practice.export import Progress, write_clip, write_judge, write_pipeline
from app.dev.practice.judge import JudgeNet
from tests.support.tiny_practice import TINY


def write_untrained(folder: Path) -> Path:
    """Everything the trainer would leave in the folder."""
    torch.manual_seed(0)
    write_pipeline(folder, make_vae(TINY).eval(), make_denoiser(TINY).eval(), Progress("cpu"))
    write_clip(folder, ClipLesson(TINY).module.eval())
    write_judge(folder, JudgeNet().eval())
    return folder
