"""Kinds of trials of registration with generated heads and the handed volumes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK
from registration_trials import Maker, Motion, Rng, Trial, about, integer, mapped, new_grid, noisy
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from medfuse import Geometry, Volume, resample
from medfuse.phantom import Head, Probe, render, rigid
from medfuse.transforms import inverse, to_affine

DATA = Path(os.environ.get("MEDFUSE_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
TEMPLATES = DATA / "volumes" / "mni_templates"


# Generated heads

FIXED = Geometry((96, 108, 50), (2.0, 2.0, 3.5), (-95, -100, -70))


def heads(fixed: str, moving: str, slices: int = 40, noise: float = 1.0) -> Maker:
    """Two scans of one head, the moving one of ``slices`` of 4 mm."""

    def make(rng: Rng, motion: Motion) -> Trial:
        head, pose = Head(integer(rng)), motion.pose(rng)
        grid = Geometry((96, 108, slices), (2.0, 2.0, 4.0), (-95, -100, 12 - 2 * slices))
        one = render(fixed, FIXED, head=head, seed=integer(rng), noise=noise)
        two = render(moving, new_grid(grid, pose, rng), pose, head, seed=integer(rng), noise=noise)
        return Trial(one, two, mapped(pose))

    return make


def halves(rng: Rng, motion: Motion) -> Trial:
    """The front of a head against its back: they share a third of their length."""
    head, pose = Head(integer(rng)), motion.pose(rng)
    front = Geometry((96, 72, 50), (2.0, 2.0, 3.5), (-95, -100, -70))
    back = Geometry((96, 72, 50), (2.0, 2.0, 3.5), (-95, -100 + 96, -70))
    one = render("CT", front, head=head, seed=integer(rng))
    return Trial(one, render("T1", new_grid(back, pose, rng), pose, head, seed=integer(rng)), mapped(pose))


def scaled(kind: str, fixed: str, moving: str) -> Maker:
    """A head whose moving scan has wrong voxel sizes, by up to 8 %."""

    def make(rng: Rng, motion: Motion) -> Trial:
        head, pose = Head(integer(rng)), motion.pose(rng)
        factors = rng.uniform(0.92, 1.08, 3) if kind == "affine" else np.full(3, rng.uniform(0.92, 1.08))
        grid = Geometry((96, 108, 40), (2.0, 2.0, 4.0), (-95, -100, -68))
        two = render(moving, new_grid(grid, pose, rng), pose, head, seed=integer(rng))
        old = two.geometry
        wrong = replace(old, spacing=tuple(factors * old.spacing), origin=tuple(factors * old.origin))
        matrix = np.diag([*factors, 1.0]) @ pose
        one = render(fixed, FIXED, head=head, seed=integer(rng))
        return Trial(one, replace(two, geometry=wrong), mapped(matrix), {"kind": kind})

    return make


@dataclass(frozen=True, eq=False)
class RandomField:
    """A random smooth field of at most 8 mm, by which a head is deformed: y is seen where y + u(y) was."""

    displacement: np.ndarray
    cell: float = 6.0

    @classmethod
    def random(cls, rng: Rng, most: float = 8.0) -> RandomField:
        noise = rng.normal(size=(3, 60, 60, 60))
        smooth = np.stack([gaussian_filter(one, 22.0 / cls.cell, mode="wrap") for one in noise])
        return cls(smooth * (most / np.linalg.norm(smooth, axis=0).max()))

    def at(self, points: np.ndarray) -> np.ndarray:
        index = points / self.cell + 30
        return np.stack([map_coordinates(one, index, order=1, mode="grid-wrap") for one in self.displacement])

    def undone(self, points: np.ndarray) -> np.ndarray:
        found = points
        for _ in range(30):  # the field is gentle, so this contracts
            found = points - self.at(found)
        return found


class DeformedHead(Head):
    """A head seen through a displacement field."""

    def __init__(self, seed: int, field: RandomField):
        super().__init__(seed)
        object.__setattr__(self, "field", field)

    def paint(self, points: np.ndarray, width: float, values: np.ndarray) -> np.ndarray:
        return super().paint((points + self.field.at(points)).astype(np.float32), width, values)


def deformed(rng: Rng, motion: Motion) -> Trial:
    seed, pose, displacement = integer(rng), motion.pose(rng), RandomField.random(rng)
    one = render("T1", FIXED, head=Head(seed), seed=integer(rng))
    two = render("T2", new_grid(FIXED, pose, rng), pose, DeformedHead(seed, displacement), seed=integer(rng))
    to_moving = mapped(pose)
    return Trial(one, two, lambda points: to_moving(displacement.undone(points.T).T), {"kind": "deformable"})


def ultrasound(contrast: str, nearest: float, farthest: float) -> Maker:
    """A tracked probe: its volume lies anywhere, and where it starts from is off by so many mm."""

    def make(rng: Rng, motion: Motion) -> Trial:
        head, pose, probe = Head(integer(rng)), motion.pose(rng), Probe()
        one = render(contrast, FIXED, head=head, seed=integer(rng))
        two = render("US", along(probe, pose), pose, head, seed=integer(rng))
        start = pose @ off_by(rng.uniform(nearest, farthest), probe, rng)
        return Trial(one, two, mapped(pose), {"initial_transform": to_affine(start)})

    return make


def along(probe: Probe, pose: np.ndarray) -> Geometry:
    """A grid about the fan, its third axis along the middle beam."""
    direction = pose[:3, :3] @ probe.axes.T
    middle = mapped(pose)(np.asarray(probe.contact) + probe.axes[2] * (probe.depth / 2 - 3))
    size, spacing = np.array([100, 76, 76]), 1.5
    return Geometry(
        tuple(size.tolist()),
        (spacing,) * 3,
        tuple(middle - direction @ ((size - 1) / 2 * spacing)),
        direction,
    )


def off_by(millimetres: float, probe: Probe, rng: Rng) -> np.ndarray:
    """A rotation of 2 to 8° about the middle of the fan and a translation, together by ``millimetres``."""
    middle = np.asarray(probe.contact) + probe.axes[2] * probe.depth * 0.6
    cloud = middle + rng.normal(scale=20, size=(300, 3))
    axis, direction = (one / np.linalg.norm(one) for one in rng.normal(size=(2, 3)))
    turned = Rotation.from_rotvec(np.radians(rng.uniform(2, 8)) * axis).as_matrix()
    pose = np.eye(4)
    pose[:3, :3] = turned
    for shift in np.arange(0, millimetres + 0.5, 0.25):
        pose[:3, 3] = middle + shift * direction - turned @ middle
        if np.linalg.norm(mapped(pose)(cloud) - cloud, axis=1).mean() >= millimetres:
            break
    return pose


def slices(rng: Rng, motion: Motion) -> Trial:
    """One slice of a head in two contrasts, rotated and translated within its plane."""
    head, height = Head(integer(rng)), rng.uniform(0, 45)
    grid = Geometry((190, 216, 1), (1.0, 1.0, 4.0), (-95, -100, height))
    angle, (x, y) = (
        rng.uniform(-motion.rotation, motion.rotation),
        rng.uniform(-motion.translation, motion.translation, 2),
    )
    pose = rigid((0, 0, angle), (x, y, 0))
    one = render("T1", grid, head=head, seed=integer(rng))
    two = render("T2", new_grid(grid, pose, rng), pose, head, seed=integer(rng))
    return Trial(one, two, mapped(pose))


def large(rng: Rng, motion: Motion) -> Trial:
    """CT and MR of 256³ voxels of 0.9 mm."""
    head, pose = Head(integer(rng)), motion.pose(rng)
    coarse = Geometry((128,) * 3, (1.8,) * 3, (-115, -115, -110))
    fine = Geometry((256,) * 3, (0.9,) * 3, (-115, -115, -110))
    one, two = (
        noisy(resample(render(name, coarse, at, head, noise=0), fine), rng)
        for name, at in (("CT", np.eye(4)), ("T1", pose))
    )
    return Trial(one, two, mapped(pose))


# Real data


def template(name: str) -> Volume:
    image = SimpleITK.ReadImage(str(TEMPLATES / f"{name}.nii"), SimpleITK.sitkFloat32)
    return Volume.from_sitk(image, "CT" if name == "scct" else "MR")


def templates(volumes: Callable[[], tuple[Volume, Volume]]) -> Maker:
    """Volumes on one grid; the moving one is scanned elsewhere by resampling it."""

    def make(rng: Rng, motion: Motion) -> Trial:
        fixed, moving = volumes()
        pose = about(moving.geometry.centre, motion.pose(rng))
        scanned = resample(moving, new_grid(moving.geometry, pose, rng), to_affine(inverse(pose)))
        return Trial(noisy(fixed, rng), noisy(scanned, rng), mapped(pose))

    return make


def simulated_ct() -> tuple[Volume, Volume]:
    """A CT made from the T1 template, so that the truth is exact.

    (The CT template comes from other people: mutual information sees it 1.6 mm off the T1 template.)
    Air around the body, bone where the head is dark near its surface, soft tissue with little contrast.
    """
    t1 = template("avg152T1")
    body = binary_fill_holes(t1.array > 0.12)
    depth = distance_transform_edt(body, sampling=t1.geometry.spacing[::-1])
    bone = body & (depth > 3) & (depth < 18) & (gaussian_filter(t1.array, 0.5) < 0.32)
    soft = 60 - 60 * np.abs(t1.array - 0.6)
    hounsfield = np.where(bone, 900, np.where(body, soft, -1000))
    return replace(t1, array=gaussian_filter(hounsfield, 0.4), modality="CT"), t1


def pure_noise() -> Volume:
    geometry = template("avg152T1").geometry
    noise = gaussian_filter(np.random.default_rng(5).normal(size=geometry.shape), 1.5)
    return Volume(noise - noise.min(), geometry, "MR")


def torso(name: str) -> Volume:
    path = DATA / "volumes" / "totalseg" / f"example_{name}_sm.nii.gz"
    image = SimpleITK.ReadImage(str(path), SimpleITK.sitkFloat32)
    return Volume.from_sitk(image, "CT" if name == "ct" else "MR")


def mridir(_: Rng, __: Motion) -> Trial:
    """The porcine phantom; no truth is published, so what counts is a rotation of 178° about y."""
    ct, t2 = (
        Volume.from_sitk(SimpleITK.ReadImage(str(DATA / f"volumes/mridir/mridir_{name}_1p5mm.nii.gz")), kind)
        for name, kind in (("CT", "CT"), ("T2", "MR"))
    )
    return Trial(replace(ct, valid=ct.array > -2000), t2, lambda points: points * np.nan)


HEADS: dict[str, Maker] = {
    "ct-t1": heads("CT", "T1"),
    "t1-t2": heads("T1", "T2"),
    "ct-t2-slab-56": heads("CT", "T2", 14),
    "template-ct-t1": templates(simulated_ct),
    "template-t1-pd": templates(lambda: (template("avg152T1"), template("avg152PD"))),
    "template-t1-t2": templates(lambda: (template("avg152T1"), template("avg152T2"))),
    "t1-t2-similarity": scaled("similarity", "T1", "T2"),
    "ct-t1-affine": scaled("affine", "CT", "T1"),
    "t1-t2-bent": deformed,
    "t1-us": ultrasound("T1", 6, 15),
    "slices-t1-t2": slices,
    "ct-t1-256": large,
    "mridir": mridir,
    "hard-slab-20-noisy": heads("CT", "T2", 5, noise=4.0),
    "hard-slab-28": heads("T1", "T2", 7),
    "hard-halves": halves,
    "hard-noise-10": heads("CT", "T1", noise=10.0),
    "beyond-us-far": ultrasound("T1", 40, 60),
    "beyond-ct-us": ultrasound("CT", 6, 15),
    "hopeless-noise": templates(lambda: (simulated_ct()[0], pure_noise())),
    "hopeless-region": templates(lambda: (simulated_ct()[0], torso("mr"))),
    "hopeless-patient": templates(lambda: (torso("ct"), torso("mr"))),
}
