"""Kinds of trials of registration beyond whole heads: torso, limb, spine, persons, and what scanners do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK
from registration_heads import DATA, FIXED, torso
from registration_trials import Maker, Motion, Rng, Trial, about, integer, mapped, new_grid, noisy
from scipy.ndimage import binary_closing, gaussian_filter

from medfuse import Geometry, Volume, resample
from medfuse.phantom import TISSUES, Head, render
from medfuse.phantom.bodies import Body, limb, person, render_body
from medfuse.phantom.bodies import torso as generated_torso
from medfuse.phantom.painting import sample
from medfuse.transforms import inverse, to_affine

TORSO = Geometry((130, 92, 32), (3.0, 3.0, 5.0), (-193, -137, -78))
LIMB = Geometry((78, 78, 26), (2.4, 2.4, 5.0), (-92, -92, -62))
SPINE = Geometry((32, 44, 56), (2.5, 2.5, 2.5), (-39, 4, -69))
WHOLE = Geometry((104, 56, 180), (5.0, 5.0, 5.0), (-258, -138, -420))
PARTS = (
    Geometry((76, 84, 60), (3.0, 3.0, 4.0), (-113, -130, 290)),  # head
    Geometry((126, 90, 46), (3.0, 3.0, 5.0), (-188, -134, 0)),  # thorax
    Geometry((126, 90, 46), (3.0, 3.0, 5.0), (-188, -134, -190)),  # abdomen
)


def bodies(plan: Callable[[int], Body], fixed: str, moving: str, grid: Geometry) -> Maker:
    """Two scans of one body on much the same field of view."""

    def make(rng: Rng, motion: Motion) -> Trial:
        body, pose = plan(integer(rng)), about(grid.centre, motion.pose(rng))
        one = render_body(fixed, body, grid, seed=integer(rng))
        two = render_body(moving, body, new_grid(grid, pose, rng), pose, seed=integer(rng))
        return Trial(one, two, mapped(pose))

    return make


def whole_and_part(whole: str, part: str) -> Maker:
    """A person, and head, thorax or abdomen of the same: which of them is fixed is drawn."""

    def make(rng: Rng, motion: Motion) -> Trial:
        body, grid = person(integer(rng)), PARTS[rng.integers(len(PARTS))]
        pose = about(grid.centre, motion.pose(rng))
        pose[:3, 3] += rng.uniform(-300, 300, 3)  # another table, another origin
        one = render_body(whole, body, WHOLE, seed=integer(rng))
        two = render_body(part, body, new_grid(grid, pose, rng), pose, seed=integer(rng))
        if rng.random() < 0.5:
            return Trial(one, two, mapped(pose))
        return Trial(two, one, mapped(inverse(pose)))

    return make


# Heads as scanners and programs hand them over


@dataclass(frozen=True)
class Scans:
    """A head in two scans of the usual kind."""

    head: Head
    pose: np.ndarray
    fixed: Volume
    moving: Volume

    @classmethod
    def random(cls, fixed: str, moving: str, rng: Rng, motion: Motion) -> Scans:
        head, pose = Head(integer(rng)), motion.pose(rng)
        grid = Geometry((96, 108, 40), (2.0, 2.0, 4.0), (-95, -100, -68))
        one = render(fixed, FIXED, head=head, seed=integer(rng))
        two = render(moving, new_grid(grid, pose, rng), pose, head, seed=integer(rng))
        return cls(head, pose, one, two)

    def trial(self, moving: Volume) -> Trial:
        return Trial(self.fixed, moving, mapped(self.pose))


def biased(fixed: str, moving: str) -> Maker:
    """A coil whose sensitivity differs up to tenfold over the head, another in either MR."""

    def make(rng: Rng, motion: Motion) -> Trial:
        scans = Scans.random(fixed, moving, rng, motion)
        one, two = (
            each if each.modality == "CT" else shaded(each, rng) for each in (scans.fixed, scans.moving)
        )
        return replace(scans.trial(two), fixed=one)

    return make


def shaded(volume: Volume, rng: Rng) -> Volume:
    log_gain = np.zeros(volume.geometry.shape)
    for axis, count in enumerate(volume.geometry.shape):
        place = np.linspace(-1, 1, count).reshape([-1 if i == axis else 1 for i in range(3)])
        linear, bowl = rng.choice([-1, 1]) * rng.uniform(0.3, 0.8), rng.uniform(-0.5, 0.5)
        log_gain = log_gain + linear * np.sin(place * np.pi / 2) + bowl * place**2
    return volume.with_array(volume.array * np.exp(log_gain))


def stripped(rng: Rng, motion: Motion) -> Trial:
    """T1 of which only the brain is left, on CT."""
    scans = Scans.random("CT", "T1", rng, motion)
    labels = scans.head.label_map(scans.moving.geometry, scans.pose)
    names = {"grey matter", "white matter", "deep grey matter", "pallidum", "ventricle", "lesion"}
    names |= {"cerebellar cortex", "cerebellar white matter", "brain stem", "calcification"}
    brain = np.isin(labels, [i for i, tissue in enumerate(TISSUES) if tissue.name in names])
    brain = binary_closing(np.pad(brain, 3), iterations=2)[3:-3, 3:-3, 3:-3]
    return scans.trial(scans.moving.with_array(np.where(brain, scans.moving.array, 0)))


def undeclared(rng: Rng, motion: Motion) -> Trial:
    """T1 that a program rotated onto another grid and filled with a constant that no header declares."""
    scans = Scans.random("CT", "T1", rng, motion)
    turn = about(scans.moving.geometry.centre, motion.pose(rng))
    grid = scans.moving.geometry
    turned = resample(scans.moving, grid, to_affine(turn))
    assert turned.valid is not None
    fill = float(rng.choice([0, -1, -32768, 400]))
    moved = Volume(np.where(turned.valid, turned.array, fill), grid, "MR")
    return Trial(scans.fixed, moved, mapped(inverse(turn) @ scans.pose))


def emission(rng: Rng, motion: Motion) -> Trial:
    """T1 and SPECT of the brain, 9 mm sharp: grey matter four times as bright as white."""
    scans = Scans.random("T1", "T2", rng, motion)
    grey = ("grey matter", "deep grey matter", "pallidum", "cerebellar cortex")
    uptake = [4.0 if t.name in grey else 0.0 if t.name == "air" else 1.0 for t in TISSUES]
    uptake = [
        0.3 if t.name in ("cerebrospinal fluid", "ventricle", "fat") else u
        for t, u in zip(TISSUES, uptake, strict=True)
    ]
    grid = scans.moving.geometry
    array = sample(scans.head, grid, scans.pose, uptake)[0]
    array = array + 0.5 * np.sqrt(array) * rng.normal(size=array.shape)
    blurred = gaussian_filter(array, [9 / 2.355 / spacing for spacing in grid.spacing[::-1]])
    return scans.trial(Volume(np.maximum(blurred, 0), grid, "NM"))


# The handed volumes


def cord(name: str) -> Volume:
    image = SimpleITK.ReadImage(str(DATA / f"volumes/spinalcord/{name}.nii.gz"), SimpleITK.sitkFloat32)
    return Volume.from_sitk(image, "MR")


def other_contrast(read: Callable[[], Volume]) -> Maker:
    """A volume and itself in a contrast that neither rises nor falls with the first, scanned elsewhere."""

    def make(rng: Rng, motion: Motion) -> Trial:
        volume = read()
        low, high = np.percentile(volume.measured(), (1, 99))
        share = np.clip((volume.array - low) / (high - low), 0, 1)
        peak = rng.uniform(0.25, 0.4)
        other = 1000 * np.where(share < peak, share / peak, 1 - 0.7 * (share - peak) / (1 - peak))
        pose = about(volume.geometry.centre, motion.pose(rng))
        scanned = resample(
            Volume(other, volume.geometry, "MR"),
            new_grid(volume.geometry, pose, rng),
            to_affine(inverse(pose)),
        )
        return Trial(noisy(volume, rng), noisy(scanned, rng), mapped(pose))

    return make


BODIES: dict[str, Maker] = {
    "torso-ct-t1": bodies(generated_torso, "CT", "T1", TORSO),
    "torso-t1-t2": bodies(generated_torso, "T1", "T2", TORSO),
    "torso-ct-pet": bodies(generated_torso, "CT", "PET", TORSO),
    "totalseg-ct-mr": other_contrast(lambda: torso("ct")),
    "totalseg-mr-mr": other_contrast(lambda: torso("mr")),
    "undeclared-padding": undeclared,
    "hard-limb-t1-t2": bodies(limb, "T1", "T2", LIMB),
    "hard-limb-ct-t1": bodies(limb, "CT", "T1", LIMB),
    "hard-spine-t1-t2": bodies(generated_torso, "T1", "T2", SPINE),
    "hard-spine-ct-t1": bodies(generated_torso, "CT", "T1", SPINE),
    "hard-cord-t2": other_contrast(lambda: cord("t2_t2")),
    "hard-cord-t1": other_contrast(lambda: cord("t1_t1w")),
    "hard-cord-mt": other_contrast(lambda: cord("mt_mt1")),
    "hard-person-ct-ct": whole_and_part("CT", "CT"),
    "hard-person-ct-t1": whole_and_part("CT", "T1"),
    "hard-bias-t1-t2": biased("T1", "T2"),
    "hard-bias-ct-t1": biased("CT", "T1"),
    "hard-stripped": stripped,
    "hard-spect": emission,
}
