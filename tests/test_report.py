"""The folder of a result and the planes of its pictures; the page itself is tested with the pipeline."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from medfuse import Geometry
from medfuse.errors import WriteError
from medfuse.report.edges import edges
from medfuse.report.figures import checkerboard, outlined, overlay
from medfuse.report.folder import check_output, staged
from medfuse.report.planes import PLANES, central_voxel, plane


def names(folder):
    return [entry.name for entry in folder.iterdir()]


class TestFolder:
    def test_appears_at_the_end(self, tmp_path):
        with staged(tmp_path / "out") as stage:
            (stage / "fused.nii.gz").write_text("x")
            assert not (tmp_path / "out").exists()
        assert (tmp_path / "out" / "fused.nii.gz").read_text() == "x"
        assert names(tmp_path) == ["out"]

    def test_nothing_is_left_after_an_error(self, tmp_path):
        def write_half():
            with staged(tmp_path / "out") as stage:
                (stage / "fused.nii.gz").write_text("x")
                raise ValueError("half way")

        with pytest.raises(ValueError, match="half way"):
            write_half()
        assert names(tmp_path) == []

    def test_an_error_keeps_the_earlier_result(self, tmp_path):
        out = tmp_path / "out"
        out.mkdir()
        (out / "report.html").write_text("old")
        with pytest.raises(ValueError, match="half way"), staged(out, overwrite=True):
            raise ValueError("half way")
        assert (out / "report.html").read_text() == "old"
        assert names(tmp_path) == ["out"]

    def test_overwrite_replaces_an_earlier_result_whole(self, tmp_path):
        out = tmp_path / "out"
        (out / "maps").mkdir(parents=True)
        (out / "report.html").write_text("old")
        with staged(out, overwrite=True) as stage:
            (stage / "metrics.csv").write_text("new")
        assert names(out) == ["metrics.csv"]
        assert names(tmp_path) == ["out"]

    def test_the_earlier_result_comes_back_where_the_new_one_cannot_be_put(self, tmp_path, monkeypatch):
        out = tmp_path / "out"
        out.mkdir()
        (out / "report.html").write_text("old")
        rename = Path.rename

        def once_out_is_gone(self, target):
            if target == out and not self.name.endswith("-old"):
                raise OSError(16, "Device or resource busy")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", once_out_is_gone)
        with pytest.raises(WriteError, match="Device or resource busy"), staged(out, overwrite=True) as stage:
            (stage / "report.html").write_text("new")
        assert (out / "report.html").read_text() == "old"
        assert names(tmp_path) == ["out"]

    def test_an_empty_folder_is_used(self, tmp_path):
        (tmp_path / "out").mkdir()
        with staged(tmp_path / "out") as stage:
            (stage / "metrics.csv").write_text("new")
        assert names(tmp_path / "out") == ["metrics.csv"]

    def test_refused(self, tmp_path):
        full = tmp_path / "full"
        full.mkdir()
        (full / "report.html").write_text("old")
        foreign = tmp_path / "holiday"
        foreign.mkdir()
        (foreign / "beach.jpg").write_text("sand")
        (tmp_path / "file").write_text("x")
        with pytest.raises(WriteError, match=r"full exists and is not empty.* add --overwrite"):
            check_output(full)
        with pytest.raises(
            WriteError, match=r"holiday holds 'beach.jpg', which is no part of a medfuse result"
        ):
            check_output(foreign, overwrite=True)
        with pytest.raises(WriteError, match="no folder"):
            check_output(tmp_path / "file", overwrite=True)
        with pytest.raises(WriteError, match="does not exist; make it first"):
            check_output(tmp_path / "missing" / "out")

    def test_a_place_that_cannot_be_written(self, tmp_path, monkeypatch):
        def refuse(dir):  # noqa: A002 - the name is tempfile's
            assert dir == tmp_path, "the place that is written to is not the one that was tried"
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("medfuse.report.folder.tempfile.TemporaryFile", refuse)  # root may write anywhere
        with pytest.raises(WriteError, match=r"cannot be written \(Permission denied\)"):
            check_output(tmp_path / "out")

    def test_a_full_disk_leaves_nothing(self, tmp_path):
        def fill():
            with staged(tmp_path / "out"):
                raise OSError(28, "No space left on device")

        with pytest.raises(WriteError, match="No space left on device"):
            fill()
        assert names(tmp_path) == []


class TestPlanes:
    """Whatever the order and signs of the axes, the same anatomy lands at the same place of the picture."""

    @staticmethod
    def orientations():
        for axes in permutations(range(3)):
            for signs in product((1, -1), repeat=3):
                direction = np.zeros((3, 3))
                for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
                    direction[axis, column] = sign
                yield direction

    def test_left_is_right_front_is_up_head_is_up(self):
        for direction in self.orientations():
            geometry = Geometry((7, 7, 7), (1.0, 1.0, 1.0), tuple(-3 * direction.sum(axis=1)), direction)
            points = geometry.world(np.indices((7, 7, 7)).reshape(3, -1)[::-1].T).reshape(7, 7, 7, 3)
            left, back, head = np.moveaxis(points, -1, 0)
            voxel = (3, 3, 3)
            axial = {
                name: plane(a, geometry, "axial", voxel).image
                for name, a in zip("LPS", (left, back, head), strict=True)
            }
            assert (np.diff(axial["L"], axis=1) > 0).all()
            assert (np.diff(axial["P"], axis=0) > 0).all()
            assert np.ptp(axial["S"]) == 0
            coronal = {
                n: plane(a, geometry, "coronal", voxel).image
                for n, a in zip("LPS", (left, back, head), strict=True)
            }
            assert (np.diff(coronal["L"], axis=1) > 0).all()
            assert (np.diff(coronal["S"], axis=0) < 0).all()
            assert np.ptp(coronal["P"]) == 0
            sagittal = {
                n: plane(a, geometry, "sagittal", voxel).image
                for n, a in zip("LPS", (left, back, head), strict=True)
            }
            assert (np.diff(sagittal["P"], axis=1) > 0).all()
            assert (np.diff(sagittal["S"], axis=0) < 0).all()
            assert np.ptp(sagittal["L"]) == 0

    def test_pixel_sizes_follow_the_axes(self):
        geometry = Geometry((2, 3, 4), (0.5, 0.7, 3.0))
        array = np.zeros((4, 3, 2))
        sizes = {name: plane(array, geometry, name, (0, 0, 0))[1:3] for name in PLANES}
        assert sizes == {"axial": (0.7, 0.5), "coronal": (3.0, 0.5), "sagittal": (3.0, 0.7)}

    def test_an_oblique_volume_is_shown_under_the_nearest_names(self):
        angle = np.deg2rad(20)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        array = np.random.default_rng(0).random((4, 5, 6))
        straight = plane(array, Geometry((6, 5, 4)), "axial", (1, 0, 0)).image
        np.testing.assert_array_equal(
            plane(array, Geometry((6, 5, 4), direction=turn), "axial", (1, 0, 0)).image, straight
        )

    def test_central_voxel_is_where_all_sources_show_something(self):
        sources = np.zeros((2, 9, 9, 9))
        sources[0, 1:8, 2:5, 6] = 1
        sources[1, 3:6, 1:4, 6] = 1
        assert central_voxel(sources) == (4, 2, 6)
        assert all(0 <= v < 9 for v in central_voxel(np.zeros((2, 9, 9, 9))))


def test_checkerboard_takes_turns():
    board = checkerboard(np.zeros((32, 32)), np.ones((32, 32)))
    assert board[0, 0] == board[4, 4] == 0
    assert board[0, 4] == board[4, 0] == 1
    assert board.mean() == 0.5


def test_overlay_is_grey_where_images_agree():
    picture = overlay(np.full((2, 2), 0.3), np.full((2, 2), 0.3))
    np.testing.assert_allclose(picture, 0.3)


class TestEdges:
    def test_a_step_is_one_line_where_it_is(self):
        picture = np.zeros((40, 60))
        picture[:, 25:] = 1
        lines = edges(picture)
        assert (lines.sum(axis=1) == 1).all()
        assert set(np.nonzero(lines)[1]) <= {24, 25}

    @pytest.mark.parametrize("radius", [10, 17.5])
    def test_a_disc_has_a_thin_ring_of_its_radius(self, radius):
        y, x = np.indices((64, 64)) - 31.5
        lines = edges((np.hypot(x, y) < radius).astype(float))
        found = np.hypot(x, y)[lines]
        assert np.abs(found - radius).max() < 1.5
        assert 0.7 < lines.sum() / (2 * np.pi * radius) < 1.5
        angles = np.sort(np.arctan2(y, x)[lines])
        assert np.diff(angles).max() < 3 / radius  # no gap: it is closed

    def test_nothing_to_see_has_no_edges(self):
        assert not edges(np.full((30, 30), 0.5)).any()
        assert not edges(0.5 + 1e-3 * np.random.default_rng(0).normal(size=(30, 30))).any()

    def test_faint_lines_stay_only_where_they_lead_to_strong_ones(self):
        """A step that fades from 1 to 0.15 along its line, and one of 0.15 alone."""
        picture = np.zeros((80, 80))
        picture[20:] = np.linspace(1, 0.15, 80)
        picture[60:] += 0.15
        lines = edges(picture)
        assert lines[18:22].any(axis=0).all()  # to its faint end
        assert not lines[58:63, 5:-5].any()

    def test_turned_pictures_have_turned_edges(self):
        picture = np.random.default_rng(3).random((9, 9)).repeat(8, 0).repeat(8, 1)
        straight, turned = edges(picture), edges(picture[::-1, ::-1].T)
        assert (turned == straight[::-1, ::-1].T).mean() > 0.97

    def test_they_are_drawn_in_orange_on_grey(self):
        lines = np.zeros((4, 4), bool)
        lines[1, 2] = True
        picture = outlined(np.full((4, 4), 0.3), lines)
        assert picture.shape == (4, 4, 3)
        np.testing.assert_allclose(picture[0, 0], 0.3)
        red, green, blue = picture[1, 2]
        assert red > green > blue
