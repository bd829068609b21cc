"""Volumes of one study whose fields of view or voxels differ several-fold."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medfuse import Geometry, InputVolume, Recipe, Study, run_study
from medfuse.io import ReadOptions
from medfuse.pipeline.sizes import notes_on_sizes

HEAD = Geometry((256, 256, 60), (0.9, 0.9, 3.0))
LYING = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))  # index z runs along the patient's x


def notes(fixed, *moving):
    names = ("fixed", *(f"moving {i}" for i in range(1, len(moving) + 1)))
    return notes_on_sizes(names, [fixed, *moving])


def picture(pixels, side):
    return Geometry((pixels, pixels, 1), (side, side, 1.0))


class TestNotes:
    @pytest.mark.parametrize(
        "other",
        [
            HEAD,
            Geometry((512, 512, 200), (0.45, 0.45, 1.0)),
            Geometry((128, 128, 40), (2.0, 2.0, 4.0)),
            Geometry((60, 256, 256), (3.0, 0.9, 0.9), direction=LYING),  # the same box, lying
            Geometry((30, 30, 20), (2.6, 2.6, 3.1)),
        ],
    )
    def test_nothing_where_sizes_are_alike(self, other):
        assert notes(HEAD, other) == []

    def test_a_field_of_view(self):
        small = Geometry((60, 60, 60), (0.9, 0.9, 3.0))
        assert notes(HEAD, HEAD, small) == [
            "moving 2: covers 54×54×180 mm, the fixed volume 230.4×230.4×180 mm: several times apart; if "
            "both show the same, a spacing is wrong (--spacing for 2-D images, else the file's header)"
        ]
        assert notes(small, HEAD)[0].startswith("moving 1: covers 230.4×230.4×180 mm, the fixed volume 54×54")

    def test_the_same_voxels_lying_cover_another_box(self):
        slab = Geometry((256, 256, 10), (0.9, 0.9, 3.0), direction=LYING)
        assert len(notes(Geometry((256, 256, 10), (0.9, 0.9, 3.0)), slab)) == 1

    def test_voxels(self):
        coarse = Geometry((32, 32, 12), (7.0, 7.0, 15.0))
        (note,) = notes(HEAD, coarse)
        assert note.startswith("moving 1: has voxels of 7×7×15 mm, the fixed volume 0.9×0.9×3 mm: several")

    def test_pictures_of_one_view(self):
        (note,) = notes(picture(256, 1.0), picture(512, 1.0))
        assert note.startswith(
            "moving 1: covers 512×512 mm, the fixed volume 256×256 mm: several times apart"
        )
        (note,) = notes(picture(256, 1.0), picture(1024, 0.25))
        assert note.startswith("moving 1: has pixels of 0.25×0.25 mm, the fixed volume 1×1 mm")
        assert notes(picture(256, 1.0), picture(512, 0.5)) == []
        assert notes(picture(256, 1.0), picture(300, 0.8)) == []


def test_a_study_of_two_pictures_says_it(tmp_path):
    rng = np.random.default_rng(0)
    volumes = []
    for name, side in (("a", 32), ("b", 64)):
        pixels = np.kron(rng.integers(0, 256, (8, 8)), np.ones((side // 8, side // 8))).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        volumes.append(InputVolume(tmp_path / f"{name}.png", reading=ReadOptions(spacing=(1.0, 1.0))))
    result = run_study(Study(*volumes), Recipe(method="average", registration="none", profile="ma2021"))
    assert any(note.startswith("moving: covers 64×64 mm, the fixed volume 32×32 mm") for note in result.notes)
