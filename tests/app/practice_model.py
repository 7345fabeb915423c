"""A practice model that knows nothing, for tests of what is around it."""

from __future__ import annotations

from pathlib import Path

import torch

from app.practice.autoencoder import make_vae
from app.practice.clip import ClipLesson
from app.practice.denoiser import make_denoiser
from app.practice.export import Progress, write_clip, write_judge, write_pipeline
from app.practice.judge import JudgeNet
from tests.app.practice.tiny import TINY


def write_untrained(folder: Path) -> Path:
    """Everything the trainer would leave in the folder."""
    torch.manual_seed(0)
    write_pipeline(folder, make_vae(TINY).eval(), make_denoiser(TINY).eval(), Progress("cpu"))
    write_clip(folder, ClipLesson(TINY).module.eval())
    write_judge(folder, JudgeNet().eval())
    return folder
