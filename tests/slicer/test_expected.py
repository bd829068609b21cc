"""The expected time of a run: from the figures that were measured, and said as an estimate."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from MedFuseLib.expected import FUSION, REGISTRATION, SCORING, Work, expected_time, time_of
from scene_factory import add_volume, parameters

from medfuse.fusion import METHODS, presets_of
from medfuse.metrics import PROFILES
from medfuse.registration import KINDS

MEASURED = (Path(__file__).parents[2] / "benchmarks" / "README.md").read_text(encoding="utf-8")
BASIS = "on two processor cores, without a graphics card."


def work(**others):
    values = {"size": (256, 256, 1), "moving": 1, "registration": "none", "method": "pca", "preset": "auto"}
    return Work(**{**values, "profile": "cddfuse", **others})


def rows_of_table(heading):
    """First column -> the others, of the table below a heading's words."""
    section = MEASURED.split(heading)[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\| `.*$", section, re.M)
    ]
    return {one[0].strip("`"): one[1:] for one in cells}


class TestFigures:
    """Every figure is one that stands in the table of measurements."""

    def test_methods(self):
        table = rows_of_table("## Speed of the fusion methods")
        names = {"zero_learning": f"zero_learning:backbone={METHODS['zero_learning']().backbone}"}
        for (method, _preset), cost in FUSION.items():
            if method != "dip":
                assert cost == (float(table[names.get(method, method)][0]),) * 2, method

    def test_networks(self):
        found = re.search(
            r"`fast` ([\d.]+) s for the first slice and ([\d.]+) s for each further one.*?"
            r"`balanced` ([\d.]+) and ([\d.]+) s",
            MEASURED,
            re.DOTALL,
        )
        fast_first, fast, balanced_first, balanced = map(float, found.groups())
        assert FUSION["dip", "fast"] == (fast_first, fast)
        assert FUSION["dip", "balanced"] == (balanced_first, balanced)
        (paper,) = re.findall(r"\| dip paper \| (\d+) \|", MEASURED)
        assert FUSION["dip", "paper"] == (float(paper), float(paper))

    def test_scores(self):
        ms = {key: float(cells[0]) for key, cells in rows_of_table("| key | ms |").items()}
        wanted = {name: sum(ms[key] for key in PROFILES[name]) / 1000 for name in PROFILES}
        assert pytest.approx(wanted, abs=0.001) == SCORING

    def test_every_method_of_medfuse_has_one(self):
        with_presets = {
            (key, preset) for key in METHODS for preset in presets_of(METHODS[key]) if key != "auto"
        }
        own = {"network"}  # whatever somebody's own network takes
        without = {(key, "auto") for key in METHODS if not presets_of(METHODS[key]) and key not in own}
        assert set(FUSION) == with_presets | without

    def test_registration(self):
        assert set(REGISTRATION) <= set(KINDS)
        (deformable,) = re.findall(r"`deformable` \(deformed.*?\| ([\d.]+) \| \d/6 \|", MEASURED)
        assert REGISTRATION["deformable"] == (round(float(deformable)),) * 2


class TestSentences:
    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ({}, "about 1 s"),
            ({"registration": "rigid"}, "5 to 10 s"),
            ({"registration": "rigid", "moving": 3}, "15 to 30 s"),
            (
                {"method": "dip", "preset": "fast", "size": (256, 256, 21)},
                "about 18 s",
            ),  # 3.3 + 20·0.6 + scores
            ({"method": "dip", "preset": "auto", "size": (256, 256, 21)}, "about 18 s"),
            ({"method": "dip", "preset": "balanced", "size": (512, 512, 11)}, "about 7 min"),  # 4·(28 + 77)
            ({"method": "dip", "preset": "paper", "size": (256, 256, 48)}, "about 39 h"),
            ({"method": "auto", "size": (256, 256, 21)}, "about 3 s, or about 18 s if noise is removed"),
            ({"profile": "all", "size": (256, 256, 48)}, "about 2 min"),  # three results are scored
        ],
    )
    def test_said_as_an_estimate_with_its_basis(self, asked, said):
        x, y, z = work(**asked).size
        sentence = expected_time(work(**asked))
        assert sentence == f"Expected time: {said}. Estimated for {z} slices of {x}×{y} {BASIS}"

    def test_a_method_that_was_not_measured_says_so(self):
        said = expected_time(work(method="of_a_plugin", registration="rigid"))
        assert said.startswith("The time of of_a_plugin has not been measured; the rest takes 5 to 10 s.")

    def test_from_the_parameters_of_the_panel(self, scene):
        fixed = add_volume(np.zeros((48, 256, 256), np.uint8), np.eye(4), "CT")
        asked = parameters(
            fixed, fixed, None, method="dip", preset="fast", profile="cddfuse", denoise="none", grid="fixed"
        )
        assert time_of(asked) == expected_time(work(method="dip", preset="fast", size=(256, 256, 48)))
        for change in ({"denoise": "nlm"}, {"grid": "finest"}, {"methodParameters": {"steps": "9"}}):
            changed = parameters(fixed, fixed, **{**vars(asked), **change, "movingVolumes": [fixed]})
            assert time_of(changed).endswith(" What is changed of parameters, noise or grid is not in it.")
        assert time_of(parameters(None)) == ""
        assert time_of(parameters(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"))) == ""
