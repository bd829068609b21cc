"""The laws of the generated head: one anatomy, exact poses, honest noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from medfuse import Geometry
from medfuse.errors import ParameterError, UnknownNameError
from medfuse.phantom import CONTRASTS, TISSUES, Head, Probe, render, render_us, rigid
from medfuse.phantom.tissues import index_of

GRID = Geometry((45, 50, 34), (5.0, 5.0, 5.0), (-110, -118, -70))
PART = Geometry((40, 44, 24), (2.4, 2.4, 2.4), (-28, -40, -5))
SMALL_PROBE = Probe(beams=(40, 24), samples=90)
POSE = rigid((11, -7, 25), (14, -9, 6))


def label_of(*names: str) -> list[int]:
    return [index_of(name) for name in names]


def scan(
    contrast: str,
    grid: Geometry,
    pose: np.ndarray | None = None,
    noise: float = 1.0,
    seed: int = 0,
    head: Head | None = None,
    probe: Probe = SMALL_PROBE,
) -> np.ndarray:
    """As ``render``, but with a coarse probe, which is quicker."""
    if contrast == "US":
        return render_us(head or Head(), grid, np.eye(4) if pose is None else pose, noise, seed, probe).array
    return render(contrast, grid, pose, head, noise, seed).array


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_equal_arguments_give_equal_bytes_and_other_seeds_do_not(contrast):
    one, two = (scan(contrast, PART, POSE, seed=5) for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert not np.array_equal(one, scan(contrast, PART, POSE, seed=6))
    assert not np.array_equal(one, scan(contrast, PART, POSE, seed=5, head=Head(1)))


@pytest.mark.parametrize("contrast", ["CT", "US"])
def test_without_noise_the_seed_does_not_matter(contrast):
    one, two = (scan(contrast, PART, noise=0, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_rendering_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    render("T1", Geometry((8, 8, 8), (20, 20, 20), (-70, -70, -70)))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("contrast", ["CT", "US"])
def test_moving_the_head_and_the_grid_together_changes_nothing(contrast):
    turn = POSE[:3, :3]
    moved = Geometry(
        PART.size, PART.spacing, tuple(turn @ PART.origin + POSE[:3, 3]), tuple(map(tuple, turn.tolist()))
    )
    still = scan(contrast, PART, noise=0)
    np.testing.assert_allclose(scan(contrast, moved, POSE, noise=0), still, atol=1.0)
    assert np.abs(scan(contrast, PART, POSE, noise=0) - still).max() > 100  # the pose does matter


def test_grids_of_other_directions_see_the_same_head():
    flipped = Geometry(
        GRID.size, GRID.spacing, tuple(GRID.world((44, 49, 0))), ((-1, 0, 0), (0, -1, 0), (0, 0, 1))
    )
    here, there = Head().label_map(GRID), Head().label_map(flipped)
    np.testing.assert_array_equal(here, there[:, ::-1, ::-1])
    assert not np.array_equal(here, there)


@pytest.mark.parametrize("seed", [0, 3, 77])
def test_landmarks_lie_in_their_tissue(seed):
    head = Head(seed)
    places = head.landmarks
    expected = {
        "left eye": "vitreous",
        "right eye": "vitreous",
        "left choroid plexus": "calcification",
        "right choroid plexus": "calcification",
        "pineal gland": "calcification",
        "left thalamus": "deep grey matter",
        "right thalamus": "deep grey matter",
        "fourth ventricle": "ventricle",
        "genu of corpus callosum": "white matter",
        "splenium of corpus callosum": "white matter",
        "lesion": "lesion",
    }
    found = head.labels(np.array([places[name] for name in expected]).T.astype(np.float32))
    assert [TISSUES[label].name for label in found] == list(expected.values())
    assert places["left eye"][0] > 20 > -20 > places["right eye"][0]  # LPS: left is +x


def test_heads_are_not_mirror_images_of_themselves():
    labels = Head().label_map(Geometry((57, 60, 40), (4.0, 4.0, 4.0), (-112, -118, -66)))
    head = labels > 0
    assert 0.002 < np.mean(head != head[:, :, ::-1]) < 0.05
    brain = np.isin(labels, label_of("grey matter", "white matter"))
    both = brain & brain[:, :, ::-1]
    assert np.mean(labels[both] != labels[:, :, ::-1][both]) > 0.25  # each side has its own folds


def test_brain_points_lie_in_the_brain_and_fill_it():
    head = Head()
    points = head.brain_points(400, seed=2)
    assert points.shape == (400, 3)
    brain = label_of("grey matter", "white matter", "deep grey matter", "pallidum", "cerebellar cortex",
                     "cerebellar white matter", "brain stem")  # fmt: skip
    assert np.isin(head.labels(points.T.astype(np.float32)), brain).all()
    assert (np.ptp(points, axis=0) > (110, 140, 115)).all()
    np.testing.assert_array_equal(points, head.brain_points(400, seed=2))


def interior(name: str, labels: np.ndarray) -> np.ndarray:
    return binary_erosion(labels == index_of(name))


def test_ct_numbers_of_tissues_are_those_of_the_table():
    grid = Geometry((88, 98, 20), (2.4, 2.4, 2.4), (-105, -118, -36))
    ct, labels = render("CT", grid, seed=3).array, Head().label_map(grid)
    ranges = {  # HU, as radiology textbooks give them
        "air": (-1030, -900),
        "fat": (-130, -50),
        "muscle": (30, 75),
        "grey matter": (30, 45),
        "white matter": (20, 34),
        "ventricle": (0, 15),
        "vitreous": (5, 20),
        "diploe": (300, 900),
        "cortical bone": (700, 1800),
    }
    for name, (low, high) in ranges.items():
        inside = interior(name, labels)
        assert inside.sum() > 50, name
        assert low < ct[inside].mean() < high, name
    assert ct.max() < 2500
    assert ct.min() >= -1024


def test_contrast_of_t1_and_t2_is_opposite():
    grid = Geometry((80, 90, 24), (2.0, 2.0, 2.0), (-80, -85, -10))
    labels = Head().label_map(grid)
    names = ("white matter", "grey matter", "ventricle")
    t1, t2 = (
        [render(c, grid, noise=0).array[interior(name, labels)].mean() for name in names]
        for c in ("T1", "T2")
    )
    assert t1[0] > 1.2 * t1[1] > 1.2 * 3 * t1[2]
    assert t2[2] > 1.8 * t2[1] > 1.8 * 1.2 * t2[0]


def test_mr_noise_is_rician():
    """In air the magnitude is Rayleigh: mean σ√(π/2), deviation σ√(2−π/2) (Gudbjartsson & Patz 1995)."""
    air = Geometry((30, 30, 30), (1, 1, 1), (200, 200, 200))
    values = render("T2", air, noise=2.0).array
    sigma = 2 * 11.0
    assert values.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.02)
    assert values.std() == pytest.approx(sigma * np.sqrt(2 - np.pi / 2), rel=0.02)
    assert render("T2", air, noise=0).array.max() == 0


def test_ct_noise_scales_and_is_strongest_behind_much_bone():
    axial = Geometry((86, 100, 6), (2.4, 2.4, 4.0), (-103, -118, 10))
    clean, one, two = (render("CT", axial, noise=noise).array for noise in (0, 1, 2))
    labels = Head().label_map(axial)
    brain = interior("white matter", labels)
    np.testing.assert_allclose((two - clean)[brain], 2 * (one - clean)[brain], atol=0.01)
    outside = labels == 0
    outside[..., 4:-4] = False
    assert (one - clean)[brain].std() > 2 * (one - clean)[outside].std() > 0
    assert abs((one - clean)[brain].mean()) < 0.5


def along_beam(probe: Probe, degrees: tuple[float, float], depth: float) -> np.ndarray:
    a, b = np.radians(degrees)
    local = np.array([np.sin(a), np.cos(a) * np.sin(b), np.cos(a) * np.cos(b)]) * (probe.radius + depth)
    return probe.apex + local @ probe.axes


def test_ultrasound_is_zero_outside_the_fan_and_only_the_fan_is_valid():
    volume = render("US", GRID, seed=1)
    assert volume.valid is not None
    assert 0.05 < volume.valid.mean() < 0.3
    assert (volume.array[~volume.valid] == 0).all()
    assert (volume.array[volume.valid] > 0).mean() > 0.8
    probe = Probe()
    inside = [((0, 0), 5), ((0, 0), 100), ((36, 0), 60), ((-36, 0), 60), ((0, 24), 60), ((0, -24), 60)]
    outside = [((0, 0), -6), ((0, 0), 111), ((46, 0), 60), ((-46, 0), 60), ((0, 34), 60), ((0, -34), 60)]
    for beams, expected in ((inside, True), (outside, False)):
        for angles, depth in beams:
            x, y, z = np.rint(GRID.index(along_beam(probe, angles, depth))).astype(int)
            assert volume.valid[z, y, x] == expected, (angles, depth)


def mean_brightness(image: np.ndarray, grid: Geometry, points: list[np.ndarray]) -> float:
    x, y, z = np.rint(grid.index(np.array(points))).astype(int).T
    return float(image[z, y, x].mean())


def test_behind_the_calcified_plexus_there_is_a_shadow():
    probe = Probe()
    plexus = Head().landmarks["left choroid plexus"]
    grid = Geometry((80, 80, 80), (1, 1, 1), tuple(plexus - 40))
    image = scan("US", grid, probe=Probe(beams=(60, 36), samples=140))
    across, between, along = probe.axes @ (plexus - probe.apex)
    distance = float(np.linalg.norm(plexus - probe.apex))
    angles = np.degrees([np.arcsin(across / distance), np.arctan2(between, along)])
    depths = distance - probe.radius + np.arange(12, 22)
    behind, beside = (
        mean_brightness(image, grid, [along_beam(probe, (angles[0] + shift, angles[1]), d) for d in depths])
        for shift in (0.0, 9.0)
    )
    assert behind < 0.5 * beside


def test_bone_under_the_probe_blinds_it():
    closed = scan("US", GRID, probe=Probe(beams=(40, 24), samples=90, defect=0))
    opened = scan("US", GRID)
    deep = [
        along_beam(SMALL_PROBE, (a, b), d) for a in (-9, 0, 9) for b in (-8, 0, 8) for d in range(40, 90, 5)
    ]
    assert mean_brightness(closed, GRID, deep) < 0.25 * mean_brightness(opened, GRID, deep)


def test_speckle_is_multiplicative_with_the_contrast_of_three_rayleigh_looks():
    """Standard deviation over mean of a Rayleigh amplitude is √(4/π−1) = 0.523; over √3 for three looks."""
    probe = Probe(half_angles=(8, 6), beams=(40, 32), samples=220)
    grid = Geometry((40, 40, 30), (0.4, 0.4, 0.4), tuple(along_beam(probe, (0, 0), 34) - (8, 8, 6)))
    clean, speckled, half = (
        10 ** (scan("US", grid, None, noise, 2, probe=probe) / 255 * 52 / 20) for noise in (0, 1, 0.5)
    )
    ratio = speckled / clean
    assert ratio.mean() == pytest.approx(1, abs=0.08)
    assert 0.22 < ratio.std() < 0.33  # a little is lost where beams are interpolated
    assert (half / clean).std() == pytest.approx(ratio.std() / 2, rel=0.05)


def test_a_patch_of_the_head_renders_as_it_does_in_the_whole():
    patch = Geometry((20, 24, 10), GRID.spacing, tuple(GRID.world((12, 14, 12))))
    where = np.s_[12:22, 14:38, 12:32]
    whole = render("T1", GRID, noise=0).array[where]
    crop = render("T1", patch, noise=0).array
    shading = crop[whole > 50] / whole[whole > 50]  # the coil's shading belongs to the field of view
    assert 0.6 < shading.min() < shading.max() < 1.7
    inner = np.s_[:, 3:-3, 3:-3]  # the scanner's blur reaches in from what the patch does not cover
    np.testing.assert_allclose(
        render("CT", patch, noise=0).array[inner],
        render("CT", GRID, noise=0).array[where][inner],
        atol=0.5,
    )


def test_poses_are_rigid_and_turn_about_the_middle_of_the_brain():
    assert np.allclose(POSE[:3, :3] @ POSE[:3, :3].T, np.eye(3))
    assert np.linalg.det(POSE[:3, :3]) == pytest.approx(1)
    centre = np.array([0, 14, 12, 1])
    np.testing.assert_allclose((POSE @ centre)[:3], (14, 5, 18))
    np.testing.assert_allclose(rigid((0, 0, 90))[:3, :3] @ (1, 0, 0), (0, 1, 0), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"contrast": "PET"}, UnknownNameError, "Choose from: CT, T1, T2, US"),
        ({"noise": -1}, ParameterError, "noise -1"),
        ({"contrast": "US", "noise": 1.5}, ParameterError, "at most 1"),
        ({"noise": np.nan}, ParameterError, "noise nan"),
        ({"seed": -1}, ParameterError, "seed -1"),
        ({"pose": np.diag([2, 1, 1, 1])}, ParameterError, "rigid 4×4"),
        ({"pose": np.diag([-1, 1, 1, 1])}, ParameterError, "rigid 4×4"),
        ({"pose": np.eye(3)}, ParameterError, "rigid 4×4"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        render(**{"contrast": "CT", "geometry": GRID, **arguments})


@pytest.mark.parametrize(
    "fields",
    [{"depth": 0}, {"defect": -1}, {"half_angles": (90, 20)}, {"beams": (0, 4)}, {"target": Probe.contact}],
)
def test_impossible_probes_are_refused(fields):
    with pytest.raises(ParameterError):
        Probe(**fields)


def test_a_negative_head_is_refused():
    with pytest.raises(ParameterError, match="head seed -1"):
        Head(-1)
