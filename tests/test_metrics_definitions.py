"""Metrics and their tools against their definitions, written out pixel by pixel and window by window."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from medfuse.metrics import METRICS
from medfuse.metrics._features import HIGH_PASS, LOW_PASS, wavelet_features
from medfuse.metrics._gradient import prewitt_strength, sobel, sobel_as_conv2
from medfuse.metrics._histogram import own_bins, quantize, stretch
from medfuse.metrics._windows import (
    LocalMoments,
    box_sums,
    filter_same,
    filter_valid,
    flat_windows,
    gaussian_taps,
)
from medfuse.metrics.fmi import _feature_information

EPS = 2.0**-52
ACROSS = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
ALONG = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])


@pytest.fixture
def images():
    """Two sources and a fused image of 17×14 in 8 bit, with a flat corner in all and one in the first."""
    rng = np.random.default_rng(11)
    smooth = [gaussian_filter(rng.random((17, 14)), 1) for _ in range(2)]
    a, b = (np.round(255 * (x - x.min()) / (x.max() - x.min())) for x in smooth)
    a[:7, :7] = b[:7, :7] = 40
    a[10:, 8:] = 90
    f = np.round(0.6 * np.maximum(a, b) + 0.4 * b)
    return np.stack([a, b]) / 255, f / 255


def value(key, images):
    return METRICS[key].function(*images)


def correlate(image, kernel):
    """Correlation of the same size with 0 outside."""
    padded = np.pad(image, 1)
    out = np.empty(image.shape)
    for y, x in np.ndindex(*image.shape):
        out[y, x] = np.sum(padded[y : y + 3, x : x + 3] * kernel)
    return out


def logistic(x, slope, centre):
    return 1 / (1 + math.exp(-slope * (x - centre)))


class TestGradientTools:
    @pytest.mark.parametrize("operator", [sobel, sobel_as_conv2])
    def test_sobel_is_the_correlation_with_its_kernels(self, operator, images):
        stack, _ = images
        gradient = operator(stack)
        for i in range(2):
            np.testing.assert_allclose(gradient.across[i], correlate(stack[i], ACROSS), atol=1e-14)
            np.testing.assert_allclose(gradient.along[i], correlate(stack[i], ALONG), atol=1e-14)

    def test_sobel_of_a_flat_area_is_exactly_zero(self):
        gradient = sobel(np.full((6, 6), 0.3))
        assert not gradient.strength[1:-1, 1:-1].any()
        assert gradient.strength[0].all()  # the frame

    def test_mirrored_border_has_no_gradient_across_it(self):
        ramp = np.tile(np.arange(6.0), (5, 1))
        gradient = sobel(ramp, "mirror")
        assert not gradient.across[:, 0].any()
        assert not gradient.along.any()

    def test_prewitt(self, images):
        kernel = np.array([[1, 0, -1]] * 3)
        across, along = (correlate(images[1], k) for k in (kernel, kernel.T))
        np.testing.assert_allclose(prewitt_strength(images[1]), np.hypot(across, along), atol=1e-13)


class TestWindowTools:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11])
    def test_box_sums(self, size, images):
        expected = convolve2d(images[1], np.ones((size, size)), mode="valid")
        np.testing.assert_allclose(box_sums(images[1], size), expected, atol=1e-12)

    @pytest.mark.parametrize(("size", "sigma"), [(3, 0.6), (7, 1.5), (11, 1.5)])
    def test_gaussian_filters(self, size, sigma, images):
        stack, _ = images
        taps = gaussian_taps(size, sigma)
        kernel = np.outer(taps, taps)
        assert kernel.sum() == pytest.approx(1)
        assert taps[0] / taps[size // 2] == pytest.approx(math.exp(-((size // 2) ** 2) / (2 * sigma**2)))
        replicated = np.pad(stack[1], size // 2, mode="edge")
        for filtered, expected in [
            (filter_valid(stack, taps)[1], convolve2d(stack[1], kernel, mode="valid")),
            (filter_same(stack, taps)[1], convolve2d(stack[1], kernel, mode="same")),
            (filter_same(stack, taps, "nearest")[1], convolve2d(replicated, kernel, mode="valid")),
        ]:
            np.testing.assert_allclose(filtered, expected, atol=1e-14)

    @pytest.mark.parametrize("size", [3, 7])
    def test_flat_windows(self, size, images):
        stack, _ = images
        flat = flat_windows(stack, size)
        for i, y, x in np.ndindex(*flat.shape):
            window = stack[i, y : y + size, x : x + size]
            assert flat[i, y, x] == (window.max() == window.min())
        assert flat.any()
        assert not flat.all()

    def test_moments_of_flat_windows_are_exactly_zero(self, images):
        stack, fused = images
        moments = LocalMoments(np.stack([*stack, fused]), 7, 1.5)
        assert moments.variance[0, 0, 0] == 0
        assert moments.covariance(0, 1)[0, 0] == 0
        taps = np.outer(gaussian_taps(7, 1.5), gaussian_taps(7, 1.5))
        windows = [image[8:15, 2:9] for image in (*stack, fused)]
        means = [np.sum(taps * w) for w in windows]
        covariance = np.sum(taps * (windows[1] - means[1]) * (windows[2] - means[2]))
        assert moments.covariance(1, 2)[8, 2] == pytest.approx(covariance, abs=1e-14)
        assert moments.mean[0, 8, 2] == pytest.approx(means[0])


class TestLevels:
    def test_halves_go_up(self):
        np.testing.assert_array_equal(quantize(np.array([0, 0.5 / 255, 1.49 / 255, 1])), [0, 1, 1, 255])

    def test_every_8_bit_level_is_kept(self):
        np.testing.assert_array_equal(quantize(np.arange(256) / 255), np.arange(256))

    def test_stretch_spans_all_levels(self):
        np.testing.assert_array_equal(stretch(np.array([10, 95, 180]) / 255), [0, 128, 255])

    @pytest.mark.parametrize("span", [2, 34, 102, 170, 255])
    def test_stretch_rounds_halves_up_as_on_whole_numbers(self, span):
        levels = 7 % (256 - span) + np.arange(span + 1)
        expected = [(2 * 255 * k + span) // (2 * span) for k in range(span + 1)]
        np.testing.assert_array_equal(stretch(levels / 255), expected)

    def test_own_bins_never_merge_8_bit_levels(self):
        for low, high in [(0, 255), (3, 200), (17, 18), (40, 295 - 40)]:
            levels = np.arange(low, high + 1) / 255
            assert len(set(own_bins(levels))) == levels.size

    def test_own_bins_of_a_constant(self):
        np.testing.assert_array_equal(own_bins(np.full(3, 0.4)), 0)


def test_pe(images):
    (a, b), f = images
    gradients = [(correlate(i, -ALONG) / 8, correlate(i, ACROSS) / 8) for i in (a, b, f)]
    scale = (1 + math.exp(-11 * 0.3)) * (1 + math.exp(-24 * 0.2))
    kept = total = 0.0
    for x, y in gradients[:2]:
        for p in np.ndindex(*f.shape):
            g, gf = math.hypot(x[p], y[p]), math.hypot(gradients[2][0][p], gradients[2][1][p])
            angle, angle_f = (
                math.atan(y[p] / (x[p] + EPS)),
                math.atan(gradients[2][1][p] / (gradients[2][0][p] + EPS)),
            )
            gain = (min(g, gf) + EPS) / (max(g, gf) + EPS)
            agreement = abs(abs(angle - angle_f) - math.pi / 2) / (math.pi / 2)
            kept += g * math.sqrt(scale * logistic(gain, 11, 0.7) * logistic(agreement, 24, 0.8))
            total += g
    assert value("pe", images) == pytest.approx(kept / total, abs=1e-6)


def test_qg(images):
    stack, f = (255 * i for i in images)
    gradients = [(correlate(i, ACROSS), correlate(i, ALONG)) for i in (*stack, f)]
    ratios = []
    for p in np.ndindex(*f.shape):
        gf = math.hypot(gradients[2][0][p], gradients[2][1][p])
        angles = [math.atan(y[p] / (x[p] or 1e-5)) for x, y in gradients]
        kept = total = 0.0
        for i in range(2):
            g = math.hypot(gradients[i][0][p], gradients[i][1][p])
            stronger = g > gf
            g = g or 1e-5
            loss = gf / g
            gf = gf or 1e-5
            gain = loss if stronger else g / gf
            agreement = abs(abs(angles[i] - angles[2]) - math.pi / 2) * 2 / math.pi
            kept += g * logistic(gain, 10, 0.5) * logistic(agreement, 20, 0.75)
            total += g
        ratios.append(kept / total)
    assert value("qg", images) == pytest.approx(np.mean(ratios), abs=1e-12)


@pytest.mark.parametrize(("key", "scale"), [("qabf", 1), ("cddfuse_qabf", 255)])
def test_qabf(key, scale, images):
    stack, f = images
    f = (f - f.min()) / (f.max() - f.min())
    f = np.floor(255 * f + 0.499999999) / 255  # as CDDFuse's script writes it
    gradients = []
    for image in (*stack, f):
        x, y = -correlate(np.round(255 * image), ACROSS), correlate(np.round(255 * image), ALONG)
        gradients.append((x * scale / 255, y * scale / 255))
    kept = total = 0.0
    for p in np.ndindex(*f.shape):
        strength = [math.hypot(x[p], y[p]) for x, y in gradients]
        angle = [math.atan(y[p] / x[p]) if x[p] else math.pi / 2 for x, y in gradients]
        for g, alpha in zip(strength[:2], angle[:2], strict=True):
            gf = strength[2]
            gain = gf if g == gf else min(g, gf) / max(g, gf)
            agreement = 1 - abs(alpha - angle[2]) / (math.pi / 2)
            kept += g * 0.9994 * logistic(gain, 15, 0.5) * 0.9879 * logistic(agreement, 22, 0.8)
            total += g
    # On 0…1 single ties fall another way here than in the order of additions of the reference.
    assert value(key, (stack, f)) == pytest.approx(kept / total, abs=0.02 if scale == 1 else 1e-12)


@pytest.mark.parametrize(("key", "scale"), [("nabf", 1), ("nabf_li", 1 / 255)])
def test_nabf(key, scale, images):
    stack, f = (255 * i for i in images)
    gradients = []
    for image in (*stack, f):
        padded = np.pad(image, 1, mode="reflect")
        across, along = (correlate(padded, k)[1:-1, 1:-1] / 8 for k in (ACROSS, ALONG))
        gradients.append((across, along))
    added = total = 0.0
    for p in np.ndindex(*f.shape):
        strength = [math.hypot(v[p], h[p]) for v, h in gradients]
        angle = [
            0.0
            if v[p] == h[p] == 0
            else (math.atan(v[p] / h[p]) if h[p] else math.copysign(math.pi / 2, v[p]))
            for v, h in gradients
        ]
        for i in range(2):
            g, gf = strength[i], strength[2]
            gain = 0 if g == 0 or gf == 0 else min(g, gf) / max(g, gf)
            agreement = abs(abs(angle[i] - angle[2]) - math.pi / 2) * 2 / math.pi
            quality = math.sqrt(0.9999 * logistic(gain, 19, 0.5) * 0.9995 * logistic(agreement, 22, 0.5))
            weight = (scale * g) ** 1.5 if scale * g >= 2 else 0.001
            total += weight
            if gf > strength[0] and gf > strength[1]:
                added += (1 - quality) * weight
    assert value(key, images) == pytest.approx(added / total, abs=1e-9)


def test_cv(images):
    (a, b), f = images
    scores = []
    for y in range(0, 16, 4):
        for x in range(0, 12, 4):
            blocks = [i[y : y + 4, x : x + 4].ravel() for i in (a, b, f)]
            covariances = [np.cov(s, blocks[2])[0, 1] for s in blocks[:2]]
            total = 0.0
            for s, c in zip(blocks[:2], covariances, strict=True):
                weight = min(1, max(0, c / (EPS + sum(covariances))))
                m, mf = s.mean(), blocks[2].mean()
                spread = s.var(ddof=1) + blocks[2].var(ddof=1)
                total += weight * 4 * c * m * mf / (spread * (m**2 + mf**2) + EPS)
            scores.append(total)
    assert value("cv", images) == pytest.approx(np.mean(scores), abs=1e-9)


def windows(image, size):
    height, width = (n - size + 1 for n in image.shape)
    return [image[y : y + size, x : x + size] for y in range(height) for x in range(width)]


def test_q(images):
    def weighted(sources, fused):
        scores, weights = [], []
        for *pair, f in zip(*(windows(i, 8) for i in (*sources, fused)), strict=True):
            variances = [w.var() for w in pair]
            if max(variances) < 1e-20:
                continue  # no weight
            total = 0.0
            for w, v in zip(pair, variances, strict=True):
                c, spread = np.mean((w - w.mean()) * (f - f.mean())), w.var() + f.var()
                m, mf = w.mean(), f.mean()
                index = (
                    4 * c * m * mf / (spread * (m**2 + mf**2))
                    if spread > 1e-20
                    else 2 * m * mf / (m**2 + mf**2)
                )
                total += v / (sum(variances) + EPS) * index
            scores.append(total)
            weights.append(max(variances))
        return np.average(scores, weights=weights)

    def strength(image):
        return np.hypot(correlate(image, ACROSS), correlate(image, ALONG)) / 8

    (a, b), f = images
    plain, edges = weighted([a, b], f), weighted([strength(a), strength(b)], strength(f))
    assert value("q", images) == pytest.approx(plain**0.8 * edges**0.2, abs=1e-9)


def ssim(x, y, kernel, c1, c2):
    mx, my = np.sum(kernel * x), np.sum(kernel * y)
    vx, vy = np.sum(kernel * (x - mx) ** 2), np.sum(kernel * (y - my) ** 2)
    c = np.sum(kernel * (x - mx) * (y - my))
    vx, vy = (0 if np.ptp(w) == 0 else v for w, v in ((x, vx), (y, vy)))
    c = 0 if vx == 0 or vy == 0 else c
    return (2 * mx * my + c1) * (2 * c + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)), vx, vy, c


def gaussian(size):
    return np.outer(gaussian_taps(size, 1.5), gaussian_taps(size, 1.5))


def test_qy_and_qc(images):
    stack, fused = (255 * i for i in images)
    kernel = gaussian(7)
    y_scores, c_scores = [], []
    for a, b, f in zip(*(windows(i, 7) for i in (*stack, fused)), strict=True):
        (ab, va, vb, _), (af, _, _, ca), (bf, _, _, cb) = (
            ssim(*pair, kernel, 2e-16, 2e-16) for pair in ((a, b), (a, f), (b, f))
        )
        share = va / (va + vb) if va + vb else 0.5
        y_scores.append(share * af + (1 - share) * bf if ab >= 0.75 else max(af, bf))
        s = ca / (ca + cb) if ca or cb else 0.5
        c_scores.append(0 if s < 0 else 1 if s > 1 else s * af + (1 - s) * bf)
    assert value("qy", images) == pytest.approx(np.mean(y_scores), abs=1e-9)
    assert value("qc", images) == pytest.approx(np.mean(c_scores), abs=1e-9)


def test_qs_qw(images):
    stack, fused = (255 * i for i in images)
    kernel, c1, c2 = gaussian(11), 2.55**2, 7.65**2
    scores, weights = [], []
    for a, b, f in zip(*(windows(i, 11) for i in (*stack, fused)), strict=True):
        (af, _, va, _), (bf, _, vb, _) = (ssim(f, s, kernel, c1, c2) for s in (a, b))
        va, vb = (va, vb) if va + vb else (0.5, 0.5)
        scores.append((va * af + vb * bf) / (va + vb))
        weights.append(max(va, vb))
    assert value("qs", images) == pytest.approx(np.mean(scores), abs=1e-9)
    assert value("qw", images) == pytest.approx(np.average(scores, weights=weights), abs=1e-9)


def test_ssim_a(images):
    stack, fused = images
    padded = [np.pad(i, 5, mode="edge") for i in (*stack, fused)]
    scores = [
        ssim(s, f, gaussian(11), 1e-4, 9e-4)[0]
        for i in range(2)
        for s, f in zip(windows(padded[i], 11), windows(padded[2], 11), strict=True)
    ]
    assert value("ssim_a", images) == pytest.approx(np.mean(scores), abs=1e-9)


def test_cddfuse_ssim(images):
    stack, fused = images
    f8 = np.floor(255 * (fused - fused.min()) / (fused.max() - fused.min()) + 0.499999999)
    total = 0.0
    for source in np.round(255 * stack):
        scores = []
        for x, y in zip(windows(source, 7), windows(f8, 7), strict=True):
            covariance = np.cov(x.ravel(), y.ravel())
            mx, my = x.mean(), y.mean()
            scores.append(
                (2 * mx * my + 4e-4)
                * (2 * covariance[0, 1] + 3.6e-3)
                / ((mx**2 + my**2 + 4e-4) * (covariance[0, 0] + covariance[1, 1] + 3.6e-3))
            )
        total += np.mean(scores)
    assert value("cddfuse_ssim", images) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("key", ["en", "sd", "scd"])
def test_cddfuse_metrics_are_those_of_the_stretched_image(key, images):
    stack, fused = images
    stretched = (fused - fused.min()) / (fused.max() - fused.min())
    as_written = np.floor(255 * stretched + 0.499999999) / 255
    assert value(f"cddfuse_{key}", images) == pytest.approx(value(key, (stack, as_written)), abs=1e-9)
    assert value(f"cddfuse_{key}", images) != pytest.approx(value(key, images), abs=1e-6) or key == "en"


def test_cddfuse_vif_is_that_of_the_stretched_image():
    rng = np.random.default_rng(4)
    stack, fused = (gaussian_filter(rng.random(shape), 1)[..., :, :] for shape in ((2, 44, 50), (44, 50)))
    stack, fused = np.round(255 * stack) / 255, np.round(255 * fused) / 255
    stretched = (fused - fused.min()) / (fused.max() - fused.min())
    as_written = np.floor(255 * stretched + 0.499999999) / 255
    assert value("cddfuse_vif", (stack, fused)) == pytest.approx(value("vif", (stack, as_written)), abs=1e-9)


def test_cddfuse_counts_in_nats_and_differences():
    fused = np.array([[0, 1.0], [0, 1.0]])
    stack = np.stack([fused, fused.T])
    assert value("cddfuse_mi", (stack, fused)) == pytest.approx(
        math.log(2)
    )  # 1 bit from one, 0 from the other
    assert value("mi_sum", (stack, fused)) == pytest.approx(1)
    assert value("cddfuse_sf", (stack, fused)) == pytest.approx(255)  # two differences of 255, mean of two
    assert value("sf", (stack, fused)) == pytest.approx(255 / math.sqrt(2))  # over four pixels


def test_information_of_independent_and_of_equal_images():
    """Four levels in equal parts: 2 bits each."""
    a = np.repeat(np.arange(4), 4).reshape(4, 4) / 3
    stack = np.stack([a, a.T])
    for key, expected in [("mi", 1), ("mi_shannon", 1), ("mi_sum", 2), ("qmi", 1), ("en", 2)]:
        assert value(key, (stack, a)) == pytest.approx(expected)
    # R = [[1, 0, ¼], [0, 1, 0], [¼, 0, 1]]: eigenvalues ¾, 1, 5/4.
    share = np.array([0.75, 1, 1.25]) / 3
    assert value("qncie", (stack, a)) == pytest.approx(1 + np.sum(share * np.log2(share)) / 8)


def test_mi_sees_bins_of_the_images_own_range():
    """Floats that quantise to one grey level still differ for ``mi``, as in the reference's hist3."""
    a = np.tile([[0.5, 0.501]], (2, 1))
    assert value("mi", (np.stack([a, a]), a)) == pytest.approx(1)
    assert value("mi_shannon", (np.stack([a, a]), a)) == 0


def test_detail_of_a_step():
    step = np.tile([0.0, 0.0, 1.0, 1.0], (3, 1))
    stack = np.stack([step, step])
    assert value("sf", (stack, step)) == pytest.approx(255 * math.sqrt(3 / 12))
    assert value("ag", (stack, step)) == pytest.approx(255 / math.sqrt(2) / 3)
    assert value("sd", (stack, step)) == pytest.approx(127.5)
    assert value("en", (stack, step)) == pytest.approx(1)


def test_scd():
    rng = np.random.default_rng(0)
    a, b, f = 0.5 * rng.random((3, 8, 9))
    expected = np.corrcoef((f - b).ravel(), a.ravel())[0, 1] + np.corrcoef((f - a).ravel(), b.ravel())[0, 1]
    assert value("scd", (np.stack([a, b]), f)) == pytest.approx(expected)
    assert value("scd", (np.stack([a, b]), a + b)) == pytest.approx(2)
    assert value("scd", (np.stack([a, b]), a)).reason == "the fused image differs from a source by a constant"


def literal_fmi(source, fused):
    """Fast-FMI of one 3×3 window of a source and one of the fused image, cell by cell."""
    if np.array_equal(source, fused):
        return 1.0

    def distribution(window):
        spread = np.ptp(window)
        scaled = (window - window.min()) / spread if spread else np.ones((3, 3))
        return (scaled / scaled.sum()).ravel(order="F")

    a, f = distribution(source), distribution(fused)
    if np.ptp(a) == 0 and np.ptp(f) == 0:
        return 1.0
    cdf_a, cdf_f = np.cumsum(a), np.cumsum(f)
    covariance = np.sum((a - 1 / 9) * (f - 1 / 9))
    flat = np.ptp(a) == 0 or np.ptp(f) == 0
    c = 0 if flat else covariance / math.sqrt(np.sum((a - 1 / 9) ** 2) * np.sum((f - 1 / 9) ** 2))
    index = np.arange(1, 10)
    sd_a, sd_f = (math.sqrt(max(np.sum(index**2 * p) - np.sum(index * p) ** 2, 0)) for p in (a, f))
    bound = np.zeros((10, 10))
    for i, j in np.ndindex(9, 9):
        upper, lower = min(cdf_f[i], cdf_a[j]), max(cdf_f[i] + cdf_a[j] - 1, 0)
        bound[i + 1, j + 1] = upper if c >= 0 else lower
    covariance_of_bound = np.sum(bound[1:, 1:] - np.outer(cdf_f, cdf_a))
    phi = 0 if c == 0 or sd_a == 0 or sd_f == 0 else c / (covariance_of_bound / (sd_a * sd_f))
    joint = phi * np.diff(np.diff(bound, axis=0), axis=1) + (1 - phi) * np.outer(f, a)

    def entropy(p):
        p = p[p != 0]
        return -np.sum(p * np.log2(np.abs(p)))

    information = entropy(a) + entropy(f) - entropy(joint)
    return 0.0 if information == 0 else 2 * information / (entropy(a) + entropy(f))


def test_fmi_cell_by_cell(images):
    (a, b), f = images
    expected = [
        (literal_fmi(x, z) + literal_fmi(y, z)) / 2
        for x, y, z in zip(windows(a, 3), windows(b, 3), windows(f, 3), strict=True)
    ]
    assert _feature_information(*images, np.asarray) == pytest.approx(np.mean(expected), abs=1e-9)


def test_fmi_of_windows_with_a_single_value():
    """Equal windows count 1 before they are scaled; scaled, a single value shares no information."""
    lone = np.zeros((3, 3))
    lone[1, 1] = 0.5
    other = np.zeros((3, 3))
    other[0, 2] = 0.5
    assert _feature_information(np.stack([lone, lone]), lone, np.asarray) == 1
    # After the first source differs, the fused window is compared scaled, and 0.5 is not 1.
    assert _feature_information(np.stack([other, lone]), lone, np.asarray) == 0
    assert _feature_information(np.stack([other, 2 * lone]), lone, np.asarray) == 0.5


def test_fmi_of_raw_pixels(shared_data):
    """The reference's flat and equal windows."""
    from matplotlib.image import imread

    golden = json.loads(shared_data("golden/golden.json").read_text())["ctl_c04_flat32"]
    folder = shared_data("golden/images/ctl_c04_flat32")
    a, b, f = (np.round(imread(folder / f"{n}.png").astype(float) * 255) / 255 for n in "abf")
    assert _feature_information(np.stack([a, b]), f, np.asarray) == pytest.approx(
        golden["FMI_none"], abs=1e-9
    )


def test_wavelet_filters():
    """Meyer's scaling function is even; the high-pass is the low-pass with every second sign turned."""
    np.testing.assert_array_equal(LOW_PASS[1:], LOW_PASS[:0:-1])
    assert LOW_PASS.sum() == pytest.approx(math.sqrt(2), abs=2e-3)
    assert HIGH_PASS.sum() == pytest.approx(0, abs=2e-3)
    np.testing.assert_array_equal(np.abs(HIGH_PASS), np.abs(LOW_PASS[::-1]))


def test_wavelet_features_are_the_four_bands(images):
    image = images[1]
    extended = np.pad(image, 61, mode="symmetric")
    bands = [
        [
            convolve2d(extended, np.outer(along_y, along_x), mode="valid")[1::2, 1::2]
            for along_y in (LOW_PASS, HIGH_PASS)
        ]
        for along_x in (LOW_PASS, HIGH_PASS)
    ]
    expected = np.block(bands)
    expected = (expected - expected.min()) / np.ptp(expected)
    features = wavelet_features(image)
    assert features.shape == (2 * ((17 + 61) // 2), 2 * ((14 + 61) // 2))
    np.testing.assert_allclose(features, expected, atol=1e-12)
