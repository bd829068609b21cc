"""What must hold for every metric, whatever it measures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medfuse.errors import ParameterError
from medfuse.metrics import METRICS

ALL = tuple(METRICS)
OF_FUSED_ALONE = {"en", "sd", "sf", "ag", "cddfuse_en", "cddfuse_sd", "cddfuse_sf"}
FOR_TWO = {"qy", "qc", "scd", "cddfuse_scd"}
COMPARING = tuple(key for key in ALL if key not in OF_FUSED_ALONE)


def eight_bit(image):
    return np.round(255 * np.clip(image, 0, 1)) / 255


def head(height=70, width=65):
    """A slice that CT and MR see differently: a bright skull in one, tissues in the other."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    texture = gaussian_filter(np.random.default_rng(3).standard_normal((height, width)), 1.5)
    texture /= np.abs(texture).max()
    radius = np.hypot(x / 0.8, y / 0.9)
    brain, skull = radius < 0.85, (radius >= 0.85) & (radius < 1)
    ct = 0.9 * skull + (0.35 + 0.04 * texture) * brain + 0.5 * (np.hypot(x - 0.2, y + 0.1) < 0.1)
    mr = (0.5 + 0.3 * texture + 0.2 * np.sin(6 * x) * np.cos(5 * y)) * brain
    mr += 0.8 * ((radius > 1) & (radius < 1.06))
    return eight_bit(np.stack([ct, mr]))


def blurred(image):
    return eight_bit(gaussian_filter(image, 2))


def noisy(image):
    return eight_bit(image + 0.1 * np.random.default_rng(1).standard_normal(image.shape))


def score(key, sources, fused):
    """The value, after checking what every value must be."""
    value = METRICS[key].function(sources, fused)
    assert isinstance(value, float)
    if math.isnan(value):
        assert value.reason
    else:
        low, high = METRICS[key].range
        assert low - 1e-9 <= value <= high + 1e-9
    return value


@pytest.fixture(scope="module")
def sources():
    return head()


@pytest.fixture(scope="module")
def fused(sources):
    return sources.max(axis=0)


@pytest.mark.parametrize("key", ALL)
class TestEveryMetric:
    def test_says_what_it_is(self, key):
        metric = METRICS[key]
        assert metric.key == key
        assert metric.name
        assert metric.reference
        assert metric.code
        assert metric.range[0] < metric.range[1]
        assert metric.higher_is_better in (True, False)
        for section in ("Parameters\n", "Returns\n"):
            assert section in metric.function.__doc__
        assert metric.two_sources == (key in FOR_TWO)

    def test_stays_in_its_range(self, key, sources, fused):
        rng = np.random.default_rng(7)
        random = eight_bit(rng.random((3, 48, 51)))
        inverted = 1 - fused
        for images, result in [
            (sources, fused),
            (sources, eight_bit(sources.mean(axis=0))),
            (sources, inverted),
            (sources, blurred(fused)),
            (sources, noisy(fused)),
            (random[:2], random[2]),
            (random[:2], random[0]),
        ]:
            score(key, images, result)

    def test_is_undefined_or_in_range_for_constant_images(self, key, sources, fused):
        flat = np.full_like(fused, 37 / 255)
        black = np.zeros_like(fused)
        for image in (flat, black):
            score(key, sources, image)
            score(key, np.stack([sources[0], image]), fused)
            score(key, np.stack([image, sources[1]]), fused)
            score(key, np.stack([image, image]), fused)
            score(key, np.stack([image, flat]), image)

    def test_is_undefined_or_in_range_for_any_size(self, key):
        rng = np.random.default_rng(5)
        for shape in [(1, 1), (1, 9), (2, 3), (5, 6), (10, 12), (17, 16), (40, 41), (41, 45), (61, 47)]:
            images = eight_bit(rng.random((3, *shape)))
            score(key, images[:2], images[2])

    def test_takes_flat_areas(self, key):
        images = head()
        images[:, :30] = 37 / 255
        images[0, :, :30] = 200 / 255
        assert np.isfinite(score(key, images, images.mean(axis=0)))

    def test_bytes_and_floats_agree(self, key, sources, fused):
        expected = score(key, sources, fused)
        as_bytes = [np.round(255 * image).astype(np.uint8) for image in (sources, fused)]
        assert score(key, *as_bytes) == expected
        single = [image.astype(np.float32) for image in (sources, fused)]
        assert score(key, *single) == expected

    def test_leaves_its_input_alone(self, key, sources, fused):
        before = sources.copy(), fused.copy()
        images, result = sources.copy(), fused.copy()
        images.flags.writeable = result.flags.writeable = False
        value = score(key, images, result)
        np.testing.assert_array_equal(images, before[0])
        np.testing.assert_array_equal(result, before[1])
        strided = np.asfortranarray(np.repeat(images, 2, axis=2))[:, :, ::2]
        assert score(key, strided, np.asfortranarray(result)) == pytest.approx(value, abs=1e-9)

    def test_order_of_sources_does_not_matter(self, key, sources, fused):
        value, swapped = score(key, sources, fused), score(key, sources[::-1], fused)
        if key == "qc":  # a fault of the reference, which is kept
            assert abs(value - swapped) > 1e-3
        else:
            assert value == pytest.approx(swapped, abs=1e-9, rel=1e-9)

    def test_three_sources(self, key, sources, fused):
        three = np.stack([*sources, sources[0][::-1]])
        if key in FOR_TWO:
            with pytest.raises(ParameterError, match="defined for two sources"):
                METRICS[key].function(three, fused)
        else:
            value = METRICS[key].function(three, fused)
            assert np.isfinite(value)
            order = METRICS[key].function(three[[2, 0, 1]], fused)
            assert order == pytest.approx(value, abs=1e-9, rel=1e-9)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda s, f: (s, np.where(f > 0.5, np.nan, f)),
            lambda s, f: (s * 2, f),
            lambda s, f: (s, f - 1),
            lambda s, f: (s[:1], f),
            lambda s, f: (s, f[1:]),
            lambda s, f: (s[0], f),
            lambda s, f: (s[:, :0], f[:0]),
        ],
        ids=["nan", "over 1", "under 0", "one source", "other size", "no stack", "empty"],
    )
    def test_refuses_what_it_cannot_score(self, key, spoil, sources, fused):
        with pytest.raises(ParameterError):
            METRICS[key].function(*spoil(sources, fused))


PERFECT = {
    "pe": 1,
    "q": 1,
    "cv": 1,
    "fmi_dct": 1,
    "fmi_w": 1,
    "nabf": 0,
    "nabf_li": 0,
    "ssim_a": 1,
    "viff": 1,
    "qy": 1,
    "qc": 1,
    "qmi": 2,
    "qg": (1 + math.exp(-5)) ** -2,
    "qs": 1,
    "qw": 1,
    "qe": 1,
    "qcb": 1,
    "qcv": 0,
    "vif": 2,
    "mef_ssim": 1,
}


@pytest.mark.parametrize("key", PERFECT)
def test_an_image_equal_to_its_sources_is_perfect(key):
    """Without flat areas, where some metrics score 0 for want of anything to compare."""
    image = eight_bit(0.5 + 0.15 * np.random.default_rng(2).standard_normal((64, 60)))
    tolerance = 1e-3 if key == "mef_ssim" else 1e-6  # its constants leave a little
    assert score(key, np.stack([image, image]), image) == pytest.approx(PERFECT[key], abs=tolerance)


@pytest.mark.parametrize("damage", [blurred, noisy])
@pytest.mark.parametrize("key", sorted(set(COMPARING) - {"scd"}))
def test_damage_to_a_copy_of_the_source_shows(key, damage, sources):
    """Where both sources are one image, that image is the best, and a blurred or noisy one is worse."""
    image = sources[1]
    twice = np.stack([image, image])
    loss = score(key, twice, image) - score(key, twice, damage(image))
    assert loss > 0 if METRICS[key].higher_is_better else loss < 0


# The sources differ, so that the fused image differs from them anyhow, and damage can bring it nearer:
BLUR_HELPS = {
    "nabf",  # the edges that the maximum adds at its seams are blurred away
    "qcv",  # the visible difference to the weaker source shrinks at the skull, which decides
}
NOISE_HELPS: set[str] = set()


@pytest.mark.parametrize(("damage", "helped"), [(blurred, BLUR_HELPS), (noisy, NOISE_HELPS)])
@pytest.mark.parametrize("key", COMPARING)
def test_damage_to_a_fused_image_shows(key, damage, helped, sources, fused):
    loss = score(key, sources, fused) - score(key, sources, damage(fused))
    worse = loss > 0 if METRICS[key].higher_is_better else loss < 0
    assert worse == (key not in helped)


@pytest.mark.parametrize("key", sorted(OF_FUSED_ALONE))
def test_metrics_of_the_fused_image_alone_ignore_the_sources(key, sources, fused):
    assert score(key, sources, fused) == score(key, 1 - sources, fused)


@pytest.mark.parametrize("key", ["sf", "ag", "sd", "cddfuse_sd", "cddfuse_sf"])
def test_blur_lowers_the_contrast_of_the_fused_image(key, sources, fused):
    assert score(key, sources, blurred(fused)) < score(key, sources, fused)


@pytest.mark.parametrize("key", ["en", "sf", "ag", "cddfuse_en"])
def test_noise_raises_what_is_not_compared(key, sources, fused):
    """The fault that the docstrings warn of."""
    assert score(key, sources, noisy(fused)) > score(key, sources, fused)
