"""Noise followed through resampling: what is computed beside what generated noise does, and who is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_erosion

from medfuse import Geometry, InputVolume, Recipe, Study, Volume, run_study, write_volume
from medfuse.errors import ParameterError, UnknownNameError
from medfuse.fusion import fuse, make_method
from medfuse.fusion.auto import Auto
from medfuse.fusion.dip.method import DeepImagePrior
from medfuse.fusion.pca import PatchPCA
from medfuse.intensity import Window
from medfuse.noise import NoiseModel, correlation, denoise, estimate_noise, interpolated, observe
from medfuse.noise.drawing import correlated_normal
from medfuse.pipeline.noise import noise_on_grid
from medfuse.resampling import resample
from medfuse.resampling.noise import kept_noise
from medfuse.sources import Sources

from .test_noise import scene

GRID = Geometry((72, 72, 40), (1.0, 1.0, 1.4))
TURNED = Geometry((64, 64, 34), (1.0, 1.0, 1.4), (3.0, 3.0, 3.5))
COARSE = Geometry((28, 28, 15), (2.2, 2.2, 3.0), (4.0, 4.0, 6.0))
FINE = Geometry((120, 120, 50), (0.5, 0.5, 1.0), (5.0, 5.0, 3.0))
HALF = Geometry((71, 71, 39), (1.0, 1.0, 1.4), (0.5, 0.5, 0.7))


def turn():
    transform = sitk.Euler3DTransform()
    transform.SetCenter(GRID.centre.tolist())
    transform.SetRotation(0.06, 0.05, -0.2)
    transform.SetTranslation((1.3, 2.2, -0.7))
    return transform


def measured(volume):
    """Variance of a volume of noise, and its correlations with the next voxel along z, y and x."""
    inside = np.ones(volume.array.shape, bool) if volume.valid is None else volume.valid
    inside = binary_erosion(inside, iterations=3)
    variance = volume.array[inside].var()
    found = []
    for axis in range(3):
        pairs = inside & np.roll(inside, -1, axis)
        found.append((volume.array * np.roll(volume.array, -1, axis))[pairs].mean() / variance)
    return variance, found


class TestKeptNoise:
    def test_known_values(self):
        """Along an axis ½ half-way, nothing lost at a voxel, ⅔ and a correlation of ¼ on average."""
        still = kept_noise(GRID, GRID)
        assert still.variance == pytest.approx(1)
        np.testing.assert_allclose(np.concatenate(still.correlations), 0, atol=1e-12)
        half = kept_noise(GRID, HALF)
        assert half.variance == pytest.approx(1 / 8)
        for one in half.correlations:
            np.testing.assert_allclose(one, [0.5, 0, 0], atol=1e-9)
        turned = kept_noise(GRID, TURNED, turn())
        assert turned.variance == pytest.approx((2 / 3) ** 3, rel=0.03)
        assert kept_noise(GRID, TURNED, turn(), "nearest").variance == pytest.approx(1)

    @pytest.mark.parametrize(
        ("onto", "transform", "how", "widths"),
        [
            (TURNED, turn(), "linear", (0.0, 0.0, 0.0)),
            (TURNED, turn(), "linear", (0.0, 0.7, 1.0)),
            (TURNED, turn(), "bspline", (0.5, 0.7, 0.0)),
            (COARSE, None, "linear", (0.0, 0.0, 0.0)),
            (FINE, None, "linear", (0.0, 0.5, 0.5)),
            (HALF, None, "linear", (0.0, 0.0, 0.8)),
        ],
    )
    def test_generated_noise_does_so(self, onto, transform, how, widths):
        """Level within 5 %, correlation between neighbours within 10 %, whatever the spacing ratio."""
        noise = correlated_normal(GRID.shape, widths, np.random.default_rng(0)).astype(np.float32)
        kept = kept_noise(GRID, onto, transform, how, [correlation(width) for width in widths])
        variance, found = measured(resample(Volume(noise, GRID, "MR"), onto, transform, interpolation=how))
        assert math.sqrt(kept.variance) == pytest.approx(math.sqrt(variance), rel=0.05)
        expected = [one[0] for one in kept.correlations]
        assert expected == pytest.approx(found, rel=0.1, abs=0.04 if onto is COARSE else 0.015)

    def test_only_the_box_that_was_measured_counts(self):
        """On a grid twice as fine every second voxel lies half-way between others."""
        stretch = sitk.AffineTransform(3)
        stretch.SetMatrix((0.5, 0, 0, 0, 1, 0, 0, 0, 1))
        first = np.zeros(GRID.shape, bool)
        first[:, :, :1] = True
        assert kept_noise(GRID, GRID, stretch, measured=first).variance == pytest.approx(1)
        assert kept_noise(GRID, GRID, stretch).variance == pytest.approx(0.75, abs=0.03)

    def test_a_single_slice_is_not_averaged_across(self):
        flat = Geometry((64, 64, 1), (1, 1, 5))
        moved = Geometry((64, 64, 1), (1, 1, 5), (0.5, 0.0, 1.0))
        kept = kept_noise(flat, moved)
        assert kept.variance == pytest.approx(0.5)
        assert [one[0] for one in kept.correlations] == pytest.approx([0, 0, 0.5], abs=1e-9)

    def test_what_makes_no_sense_is_refused(self):
        with pytest.raises(UnknownNameError, match="interpolation"):
            kept_noise(GRID, GRID, interpolation="label")
        with pytest.raises(ParameterError, match="no voxel"):
            kept_noise(GRID, GRID, measured=np.zeros(GRID.shape, bool))


class TestModel:
    def test_widths_are_those_of_the_correlation(self):
        for width in (0.0, 0.6, 1.3, 2.5):
            lags = correlation(width)[1:4]
            after = interpolated(NoiseModel(0.01, 0.0), 0.5, (lags, np.zeros(3)), clipped=False)
            assert after.widths == pytest.approx((width, 0.0), abs=0.03)
        assert after.level == pytest.approx(math.sqrt(0.5) * 0.1)

    @pytest.mark.parametrize("kind", ["gauss", "rice"])
    @pytest.mark.parametrize("signal", [0.0, 0.1, 0.5])
    def test_averages_of_what_was_clipped_keep_its_mean(self, kind, signal):
        """Means of pairs of pixels: half of the variance, and all of what clipping did to the mean."""
        model = NoiseModel(0.1**2, 0.0, kind)
        seen = observe(np.full((500, 500), signal), model, np.random.default_rng(0))
        between = (seen[:, 1:] + seen[:, :-1]) / 2
        after = interpolated(model, 0.5, ((0.0,), (0.5,)), clipped=True)
        assert after.kept == 0.5
        assert after.mean(signal) == pytest.approx(between.mean(), abs=5e-4)
        assert after.deviation(between.mean()) == pytest.approx(between.std(), rel=0.02)
        drawn = observe(np.full((500, 500), signal), after, np.random.default_rng(1))
        assert (drawn.mean(), drawn.std()) == pytest.approx((between.mean(), between.std()), rel=0.02)

    def test_noise_that_the_window_clips_later_is_weaker_noise(self):
        after = interpolated(NoiseModel(0.04, 0.01), 0.25, ((0.0,), (0.0,)), clipped=False)
        assert after == NoiseModel(0.01, 0.0025)

    def test_a_share_outside_0_to_1_is_refused(self):
        with pytest.raises(ParameterError, match="kept share"):
            NoiseModel(0.01, 0.0, kept=0.0)

    @pytest.mark.parametrize("how", ["nlm", "prior", "both"])
    def test_it_denoises_better_than_an_estimate(self, how):
        """Moved by half a pixel, a mostly black image has noise that an estimate takes for stronger."""
        clean, model = scene(), NoiseModel(0.1**2, 0.0)
        noisy = observe(clean, model, np.random.default_rng(0))
        moved, truth = (
            (one[1:, 1:] + one[:-1, 1:] + one[1:, :-1] + one[:-1, :-1]) / 4 for one in (noisy, clean)
        )
        known = interpolated(model, 0.25, ((0.5,), (0.5,)), clipped=True)
        errors = [
            np.mean((denoise(moved, how, one, unclip=True) - truth) ** 2)
            for one in (known, estimate_noise(moved))
        ]
        assert errors[0] < errors[1]


class TestTold:
    """Methods that look at noise take what is known of it, unless their parameters say otherwise."""

    def sources(self):
        clean = np.stack([scene(), scene()[:, ::-1]])[:, None]
        return np.stack([observe(one, NoiseModel(0.08**2, 0.0), np.random.default_rng(0)) for one in clean])

    def test_auto_decides_by_it(self):
        noisy = self.sources()
        quiet = [NoiseModel(0.0, 0.0)] * 2
        assert fuse(noisy, Auto(device="cpu"), noise=quiet).info["ran"]["key"] == "pca"
        assert fuse(noisy[:, :, 48:112, 48:112], Auto(device="cpu")).info["ran"]["key"] == "dip"

    def test_dip_recorrupts_with_it(self):
        noisy = self.sources()[:, :, 40:88, 40:88]
        wide = [NoiseModel(0.08**2, 0.0, "gauss", (0.9, 1.1))] * 2
        settings = {"device": "cpu", "steps": 2}
        told = fuse(noisy, make_method(DeepImagePrior, settings, "fast"), noise=wide)
        assert (
            told.info["noise_kinds"] == ["noise of 0.080, correlated as by a Gaussian of 0.9×1.1 pixels"] * 2
        )
        own = fuse(noisy, make_method(DeepImagePrior, {**settings, "noise_level": 0.03}, "fast"), noise=wide)
        assert own.info["noise_models"][0][0] == pytest.approx(0.03)

    def test_pca_denoises_by_it(self):
        noisy = self.sources()
        method = PatchPCA(denoise="nlm")
        quiet = [NoiseModel(0.0, 0.0)] * 2
        np.testing.assert_array_equal(fuse(noisy, method, noise=quiet).array, fuse(noisy, "pca").array)
        given = fuse(noisy, PatchPCA(denoise="nlm", noise="gauss"), noise=quiet)
        np.testing.assert_array_equal(given.array, fuse(noisy, PatchPCA(denoise="nlm", noise="gauss")).array)

    def test_each_source_keeps_its_own_where_not_all_were_measured(self):
        noisy = np.concatenate([self.sources(), self.sources()[:1]])
        valid = np.ones(noisy.shape, bool)
        valid[0, :, :40] = False
        quiet, loud = NoiseModel(0.0, 0.0), NoiseModel(0.08**2, 0.0)
        method = make_method(DeepImagePrior, {"device": "cpu", "steps": 2}, "fast")
        told = fuse(Sources(noisy, valid), method, noise=[quiet, quiet, loud])
        assert [level for level, _ in told.info["noise_models"]] == pytest.approx([0, 0, 0.08])
        (further,) = told.info["further_runs"]
        assert further["sources"] == [1, 2]
        assert [level for level, _ in further["noise_models"]] == pytest.approx([0, 0.08])

    def test_another_number_of_models_is_refused(self):
        with pytest.raises(ParameterError, match="noise of 3 sources for 2"):
            fuse(self.sources(), noise=[NoiseModel(0.0, 0.0)] * 3)


class TestStudy:
    def head(self, noise, geometry=None, seed=0):
        """A bright stack with noise of a level in [0, 1], 1000 units to 1."""
        clean = 0.3 + 0.5 * np.stack([scene()] * 6)
        values = clean + noise * np.random.default_rng(seed).standard_normal(clean.shape)
        return Volume(1000 * values, geometry or Geometry((160, 160, 6), (1.5, 1.5, 5.0)), "MR")

    def test_noise_is_followed_onto_the_grid(self):
        own, moved_by = self.head(0.08), Geometry((160, 160, 6), (1.5, 1.5, 5.0), (0.75, 0.75, 0.0))
        moved = resample(own, moved_by)
        found = noise_on_grid(own, Window(0, 1000, "chosen"), moved, None, Recipe())
        assert found.model.level == pytest.approx(0.08 / 2, rel=0.1)
        assert found.model.widths == pytest.approx((0.6, 0.6), abs=0.05)
        assert found.finding.startswith("noise of 0.08")
        assert found.finding.endswith("0.6×0.6 pixels on that of the result")

    def test_what_was_not_resampled_keeps_its_noise(self):
        own = self.head(0.08)
        found = noise_on_grid(own, Window(0, 1000, "chosen"), own, None, Recipe())
        assert found.model.level == pytest.approx(0.08, rel=0.1)
        assert "grid" not in found.finding

    def test_a_study_tells_it_to_its_method(self, tmp_path):
        half = Geometry((160, 160, 6), (1.5, 1.5, 5.0), (0.75, 0.75, 0.0))
        for name, volume in (("fixed", self.head(0.0)), ("moving", self.head(0.1, half, seed=1))):
            write_volume(volume, tmp_path / f"{name}.nii.gz")
        study = Study(*(InputVolume(tmp_path / f"{one}.nii.gz", "MR") for one in ("fixed", "moving")))
        windows = ("MR=500/1000",)
        recipe = Recipe(method="pca", registration="none", windows=windows)
        result = run_study(study, recipe)
        quiet, loud = (one.model for one in result.known_noise)
        assert quiet.level == 0
        assert loud.level == pytest.approx(0.05, rel=0.1)
        assert loud.widths == pytest.approx((0.6, 0.6), abs=0.05)
        assert result.noise is not None
        assert "on its own grid" in result.noise.findings[1]
