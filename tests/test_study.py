"""Studies and their volumes: what may be given, what is refused, what survives a hand-over."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medfuse import Geometry, InputVolume, Study, Volume
from medfuse.errors import MedfuseError, ParameterError, UnknownNameError
from medfuse.io import ReadOptions

FULL = InputVolume(
    "us.mha", "us", ReadOptions("7", 2, True, (0.5, 0.5), True), "t.mat", "ras-inverse"
)  # fmt: skip


class TestStudy:
    def test_paths_of_any_kind(self):
        study = Study("a.nii", ["b.nii", Path("c.nii"), InputVolume("d.nii", "MR")])
        assert study.paths == (Path("a.nii"), Path("b.nii"), Path("c.nii"), Path("d.nii"))
        assert study.fixed == InputVolume(Path("a.nii"))
        assert study.volumes == (study.fixed, *study.moving)

    @pytest.mark.parametrize("one", ["/a/b.nii", Path("/a/b.nii"), InputVolume("/a/b.nii")])
    def test_a_single_moving_volume_needs_no_list(self, one):
        assert Study("c.nii", one) == Study("c.nii", [one])
        assert Study("c.nii", one).paths == (Path("c.nii"), Path("/a/b.nii"))

    def test_one_source_only(self):
        with pytest.raises(ParameterError, match="one volume only"):
            Study("a.nii", ())

    @pytest.mark.parametrize(
        ("moving", "says"),
        [
            (3, "moving volumes of type int: expected paths or InputVolumes"),
            ([3], "a int: expected the path of a file or folder"),
            ("", "an empty path"),
            (Volume(np.zeros((1, 2, 2)), Geometry((2, 2, 1))), "moving volumes of type Volume"),
            ([np.zeros((1, 2, 2))], r"a ndarray: expected the path .* in memory there are medfuse\.register"),
        ],
    )
    def test_what_is_no_path(self, moving, says):
        with pytest.raises(ParameterError, match=says):
            Study("a.nii", moving)

    @pytest.mark.parametrize("start", [{"transform": "t.tfm"}, {"landmarks": ("a.fcsv", "b.fcsv")}])
    def test_the_fixed_volume_stays_where_it_is(self, start):
        with pytest.raises(ParameterError, match=r"fixed volume a\.nii has a transform or landmarks"):
            Study(InputVolume("a.nii", **start), "b.nii")

    def test_where_searches_start(self):
        marks = InputVolume("c.nii", landmarks=("a.fcsv", "c.fcsv"))
        study = Study("a.nii", (InputVolume("b.nii", transform="b.txt"), "d.nii", marks))
        assert study.start_files == (Path("b.txt"), Path("a.fcsv"), Path("c.fcsv"))

    def test_it_survives_a_hand_over(self):
        study = Study(InputVolume("a", "CT"), (FULL, InputVolume("c", landmarks=("a.fcsv", "c.fcsv"))))
        assert Study.from_mapping(json.loads(json.dumps(study.to_mapping()))) == study

    def test_absolute(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        made = Study("a", (FULL, InputVolume("/c", landmarks=("a.fcsv", "c.fcsv")))).absolute()
        assert made.paths == (tmp_path / "a", tmp_path / "us.mha", Path("/c"))
        assert made.start_files == tuple(tmp_path / name for name in ("t.mat", "a.fcsv", "c.fcsv"))
        assert made.moving[0] == replace(FULL, path=tmp_path / "us.mha", transform=tmp_path / "t.mat")

    def test_it_can_be_replaced_and_hashed(self):
        study = Study("a", "b")
        assert replace(study, moving="c") == Study("a", "c")
        assert len({study, Study("a", ["b"]), Study("a", "c")}) == 2


class TestInputVolume:
    def test_modalities_in_any_case(self):
        assert InputVolume("a", "ct").modality == "CT"
        with pytest.raises(UnknownNameError, match="unknown modality 'XR'"):
            InputVolume("a", "XR")

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"transform": "t.txt", "convention": "rsa"}, "unknown transform convention 'rsa'"),
            ({"convention": "ras"}, "'ras': there is no transform file it is for"),
            ({"transform": "t.txt", "landmarks": ("a", "b")}, "both a transform"),
            ({"landmarks": ("a",)}, "1 files with landmarks: expected two"),
            ({"landmarks": "a.fcsv"}, "1 files with landmarks: expected two"),
            ({"transform": np.eye(4)}, "a ndarray: expected the path"),
        ],
    )
    def test_starts_that_are_refused(self, options, says):
        with pytest.raises(MedfuseError, match=says):
            InputVolume("b.nii", **options)
