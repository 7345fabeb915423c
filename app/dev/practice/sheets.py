"""Sheets to look at: the world and its edits, what the VAE keeps, what the model draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.dev.bench.contact_sheet import Section, write_sheet
from app.dev.practice.scenes import COLOURED, COLOURS, THINGS, draw_ground, draw_scene, draw_thing
from app.dev.practice.world import World

WIDE = 128
CAPTIONS = (
    *("a red apple on grass", "a blue apple on white", "a cat on pink", "a dog on sand", "a panda at night"),
    *("a yellow car on bricks", "a green car on tiles", "a rocket at night", "a house on grass", "a fish on water"),
    *("a star in the sky", "a football on grey", "a cat and a red balloon in the sky", "a key on water"),
    *("a tree and a blue umbrella on grass", "a frog and a cactus on sand", "a clock on tiles", "at night"),
)


def write_world(file: Path, rows: int = 6) -> None:
    """Held-out scenes of two and three things, and the true picture after every kind of edit."""
    world = World()
    headings = [
        "scene",
        "ground alone",
        "first removed",
        "first moved",
        "first replaced",
        "recoloured",
        "other ground",
        "one more",
    ]
    pictures: list[list[NDArray[np.uint8]]] = []
    seed = 0
    while len(pictures) < rows:
        scene = draw_scene(seed, "held out", 2)
        seed += 1
        tinted = [place for place, thing in enumerate(scene.things) if thing.name in COLOURED]
        if not tinted:
            continue
        random = np.random.default_rng(seed)
        names = [name for name in THINGS if name not in {thing.name for thing in scene.things} and name not in COLOURED]
        other = names[random.integers(len(names))]
        place = draw_thing(random, "held out", scene.things[0].name, scene.things[1:])
        colours = [colour for colour in COLOURS if colour != scene.things[tinted[0]].colour]
        drawn = world.draw(scene)
        edited = (
            scene.without(0),
            scene.moved(0, place.x, place.y, place.size),
            scene.replaced(0, other),
            scene.recoloured(tinted[0], colours[random.integers(len(colours))]),
            scene.on(draw_ground(random, "held out", scene.ground.name)),
            scene.with_thing(draw_thing(random, "held out", other, scene.things)),
        )
        pictures.append([drawn.picture, drawn.ground, *(world.draw(edit).picture for edit in edited)])
    write_sheet(file, [Section(headings, pictures, WIDE)])


def write_reconstructions(file: Path, vae: Any) -> None:
    """Held-out scenes above what the VAE makes of them."""
    from app.dev.practice.autoencoder import decode, encode  # noqa: PLC0415  the sheet of the world needs no torch
    from app.dev.practice.gates import device_of  # noqa: PLC0415
    from app.dev.practice.judge import held_out  # noqa: PLC0415

    _, _, pictures = held_out(16)
    seen = decode(vae, encode(vae, pictures.to(device_of(vae)))).cpu()
    rows = [[*map(_bytes, part)] for first in (0, 8) for part in (pictures[first : first + 8], seen[first : first + 8])]
    write_sheet(file, [Section([""] * 8, rows, WIDE)])


def write_samples(file: Path, parts: Any, vae: Any) -> None:
    """What the model draws for some captions."""
    from app.dev.practice.sampling import sample  # noqa: PLC0415

    pictures = sample(parts, vae, list(CAPTIONS), seed=1)
    sections = [
        Section(CAPTIONS[first : first + 6], [[*map(_bytes, pictures[first : first + 6])]], 2 * WIDE)
        for first in range(0, len(CAPTIONS), 6)
    ]
    write_sheet(file, sections)


def _bytes(picture: Any) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = (
        ((picture.cpu().numpy().transpose(1, 2, 0) + 1) * 127.5 + 0.5).clip(0, 255).astype(np.uint8)
    )
    return pixels
