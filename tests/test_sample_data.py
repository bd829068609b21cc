"""The sample study: its truth is true, its files are what the script makes, its DICOM is sound."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from scipy.ndimage import binary_dilation, binary_erosion, map_coordinates

from medfuse.errors import ParameterError, UnknownNameError
from medfuse.phantom import NOISY_SCANS, SCANS, SampleStudy, low_dose, rigid, sample_study
from medfuse.phantom.tissues import index_of

FOLDER = Path(__file__).parents[1] / "sample_data"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def study() -> SampleStudy:
    return sample_study()


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_data_make", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(study, make, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample_data")
    make.write_study(study, folder)
    return folder


@pytest.fixture(scope="module")
def labels(study) -> dict[str, np.ndarray]:
    return {key: study.labels(key) for key in SCANS}


def nearest(labels: np.ndarray, study: SampleStudy, key: str, points: np.ndarray) -> np.ndarray:
    """Label at world points of the scan, 255 outside of its grid."""
    index = study.scans[key].geometry.index(points)[..., ::-1]
    return map_coordinates(labels, index.T, order=0, mode="constant", cval=255)


def test_transforms_take_landmarks_to_the_same_anatomy(study, labels):
    landmarks = study.landmarks("ct")
    names = [
        "left eye",
        "right eye",
        "left choroid plexus",
        "right choroid plexus",
        "lesion",
        "left thalamus",
    ]
    points = np.array([landmarks[name] for name in names])
    expected = [
        index_of(name)
        for name in ("vitreous", "vitreous", "calcification", "calcification", "lesion", "deep grey matter")
    ]
    assert nearest(labels["ct"], study, "ct", points).tolist() == expected
    for key in ("t1", "t2"):
        matrix = study.transform("ct", key)
        moved = points @ matrix[:3, :3].T + matrix[:3, 3]
        np.testing.assert_allclose(moved, [study.landmarks(key)[name] for name in names], atol=1e-9)
        assert nearest(labels[key], study, key, moved).tolist() == expected
        assert nearest(labels[key], study, key, points).tolist() != expected  # without it they miss
        assert np.linalg.norm(moved - points, axis=1).min() > 5


def agreement(study: SampleStudy, labels: dict[str, np.ndarray], moving: str, matrix: np.ndarray) -> float:
    """The part of the CT's brain, two voxels apart, whose label the other scan repeats at ``matrix``."""
    chosen = labels["ct"][::2, ::2, ::2]
    brain = np.isin(chosen, [index_of("white matter"), index_of("grey matter"), index_of("ventricle")])
    points = study.scans["ct"].geometry.world(2 * np.argwhere(brain)[:, ::-1])
    found = nearest(labels[moving], study, moving, points @ matrix[:3, :3].T + matrix[:3, 3])
    return float(np.mean((found == chosen[brain])[found != 255]))


@pytest.mark.parametrize("moving", ["t1", "t2", "us"])
def test_label_maps_agree_through_the_true_transform_alone(study, labels, moving):
    truth = study.transform("ct", moving)
    right = agreement(study, labels, moving, truth)
    assert right > 0.75  # grids of other voxels cut the folds elsewhere
    for wrong in (np.eye(4), np.linalg.inv(truth)):
        assert agreement(study, labels, moving, wrong) < right - 0.12


def mutual_information(study: SampleStudy, moving: str, matrix: np.ndarray) -> float:
    """In nats, of the CT (in a wide window) and the other scan, on every second voxel."""
    ct = np.clip(study.volumes["ct"].array[::2, ::2, ::2], -200, 300)
    index = np.stack(np.meshgrid(*(2 * np.arange(n) for n in ct.shape), indexing="ij"), axis=-1)[..., ::-1]
    points = study.scans["ct"].geometry.world(index) @ matrix[:3, :3].T + matrix[:3, 3]
    place = np.moveaxis(study.scans[moving].geometry.index(points)[..., ::-1], -1, 0)
    other = map_coordinates(study.volumes[moving].array, place, order=1, mode="constant", cval=np.nan)
    seen = np.isfinite(other)
    joint, _, _ = np.histogram2d(ct[seen], other[seen], bins=32)
    joint /= joint.sum()
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    filled = joint > 0
    return float((joint[filled] * np.log(joint[filled] / product[filled])).sum())


@pytest.mark.parametrize("moving", ["t1", "t2"])
def test_images_fit_best_at_the_true_transform(study, moving):
    """Registration is well posed: every step of 3 mm or 3 degrees away from the truth fits worse."""
    truth = study.transform("ct", moving)
    best = mutual_information(study, moving, truth)
    for axis in range(3):
        for step in (-3.0, 3.0):
            away = [0.0, 0.0, 0.0]
            away[axis] = step
            assert mutual_information(study, moving, rigid(translation=away) @ truth) < best - 0.01
            assert mutual_information(study, moving, rigid(degrees=away) @ truth) < best - 0.005
    mirrored = truth @ np.diag([-1.0, 1, 1, 1])
    assert mutual_information(study, moving, mirrored) < best - 0.02


def contrast_to_noise(study: SampleStudy, labels: dict[str, np.ndarray], key: str) -> float:
    """|lesion − white matter around it| over the standard deviation of that white matter."""
    volume = study.volumes[key]
    seen = np.ones(volume.array.shape, bool) if volume.valid is None else volume.valid
    lesion = labels[key] == index_of("lesion")
    white = binary_erosion(labels[key] == index_of("white matter"))
    ring = binary_dilation(lesion, iterations=6) & ~binary_dilation(lesion) & white & seen
    core = binary_erosion(lesion) & seen
    assert min(core.sum(), ring.sum()) > 200
    around = volume.array[ring]
    return float(abs(volume.array[core].mean() - around.mean()) / around.std())


def test_the_lesion_shows_on_t2_alone(study, labels):
    assert contrast_to_noise(study, labels, "t2") > 6
    for key in ("ct", "t1", "us"):
        assert contrast_to_noise(study, labels, key) < 0.6, key


def test_calcifications_show_on_ct_and_not_on_mr(study, labels):
    def means(key: str) -> tuple[float, float]:
        values, tissue = study.volumes[key].array, labels[key]
        spot = tissue == index_of("calcification")
        fluid = binary_dilation(spot, iterations=4) & binary_erosion(tissue == index_of("ventricle"))
        return float(values[spot].mean()), float(values[fluid].mean())

    spot, fluid = means("ct")
    assert spot > fluid + 150
    for key in ("t1", "t2"):
        spot, fluid = means(key)
        assert spot == pytest.approx(fluid, rel=0.25, abs=25)


def test_scans_have_grids_and_frames_of_their_own(study):
    geometries = [volume.geometry for volume in study.volumes.values()]
    assert len(set(geometries)) == 4
    for key, degrees in (("t1", 8), ("t2", 12), ("us", 5)):
        turn = study.transform("ct", key)[:3, :3]
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(degrees, abs=0.5)
        oblique = np.abs(np.array(study.volumes[key].geometry.direction)).max(axis=0)
        assert (oblique < 0.9999).any()
    assert [volume.modality for volume in study.volumes.values()] == ["CT", "MR", "MR", "US"]


@pytest.fixture(scope="module")
def noisy() -> SampleStudy:
    return sample_study(NOISY_SCANS)


@pytest.fixture(scope="module")
def truths(noisy) -> dict[str, np.ndarray]:
    return {key: noisy.truth(key) for key in NOISY_SCANS}


def test_truths_lie_on_the_grids_of_their_noisy_twins(noisy, truths):
    for key, volume in noisy.volumes.items():
        assert truths[key].geometry == volume.geometry
        assert truths[key].modality == volume.modality
        assert np.abs(truths[key].array - volume.array).max() > 30
    for key, plain in (("ct_low_dose", "ct"), ("t1_fast", "t1"), ("us_one_look", "us")):
        np.testing.assert_array_equal(NOISY_SCANS[key].pose, SCANS[plain].pose)


def test_the_fast_scan_has_rician_noise(noisy, truths):
    """Gudbjartsson & Patz 1995: in air a Rayleigh distribution, about a strong signal a normal one."""
    sigma = 8 * 11.0
    clean, seen = truths["t1_fast"].array, noisy.volumes["t1_fast"].array
    air = clean == 0
    assert air.sum() > 10_000
    assert seen[air].mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.01)
    assert seen[air].std() == pytest.approx(sigma * np.sqrt(2 - np.pi / 2), rel=0.02)
    bright = clean > 6 * sigma
    error = (seen - clean)[bright]
    assert error.std() == pytest.approx(sigma, rel=0.05)
    assert error.mean() == pytest.approx((sigma**2 / (2 * clean[bright])).mean(), abs=0.06 * sigma)


def test_low_dose_noise_is_correlated_stronger_inside_and_falls_with_the_dose(noisy, truths):
    error = (noisy.volumes["ct_low_dose"].array - truths["ct_low_dose"].array)[15]
    deep, near = error[62:82, 62:82], error[4:20, 62:82]
    assert deep.std() > 1.5 * near.std() > 0
    beside = np.corrcoef(deep[:, :-1].ravel(), deep[:, 1:].ravel())[0, 1]
    apart = np.corrcoef(deep[:, :-3].ravel(), deep[:, 3:].ravel())[0, 1]
    assert beside > 0.3 > abs(apart)
    one = truths["ct_low_dose"]
    slab = one.with_array(np.repeat(one.array[15:16], len(one.array), axis=0)[: one.geometry.size[2]])
    levels = []
    for photons in (4e4, 1e6):
        drawn = low_dose(slab, photons, 3).array - slab.array
        levels.append(drawn[:, 62:82, 62:82].std())
    assert levels[0] / levels[1] == pytest.approx(5, rel=0.05)  # Poisson: as the root of the photons


def test_one_look_has_the_speckle_of_a_rayleigh_amplitude(noisy, truths, study):
    """Of ln A the standard deviation is π/√24: 5.57 dB, before beams are interpolated to voxels; of the mean
    of three looks it is half of that."""
    clean = truths["us_one_look"].array
    flat = binary_erosion((clean > 60) & (clean < 200), iterations=2)
    one, three = (
        (volume.array - clean)[flat].std() * 52 / 255
        for volume in (noisy.volumes["us_one_look"], study.volumes["us"])
    )
    assert 4 < one < 5.57
    assert 0.4 < three / one < 0.6


def test_low_dose_refuses_what_it_cannot_project(truths):
    ct = truths["ct_low_dose"]
    for options, words in (({"photons": 0}, "photons 0"), ({"seed": -1}, "seed -1")):
        with pytest.raises(ParameterError, match=words):
            low_dose(ct, **options)
    oblong = type(ct)(ct.array, type(ct.geometry)(ct.geometry.size, (1.0, 2.0, 3.0)), "CT")
    with pytest.raises(ParameterError, match="expects square ones"):
        low_dose(oblong)


@pytest.mark.parametrize("key", NOISY_SCANS)
def test_committed_noisy_twins_are_what_the_script_makes(noisy, truths, key):
    for volume, name in ((noisy.volumes[key], key), (truths[key], f"{key}_truth")):
        kept = nibabel.load(FOLDER / f"head_{name}.nii.gz")
        np.testing.assert_allclose(kept.affine, volume.geometry.to_ras_affine(), atol=1e-4)
        assert same_but_for_rounding(np.asarray(kept.dataobj).T, np.rint(volume.array))


def test_an_unknown_scan_is_refused(study):
    for ask in (lambda: sample_study(["pet"]), lambda: study.transform("ct", "pet")):
        with pytest.raises(UnknownNameError, match="Choose from: ct, t1, t2, us"):
            ask()


def same_but_for_rounding(one: np.ndarray, two: np.ndarray) -> bool:
    """Other processors round the last bit otherwise, which may flip a voxel by one, or one on an edge."""
    difference = np.abs(one.astype(float) - two)
    return bool((difference > 1).mean() < 1e-4 and (difference > 0).mean() < 1e-2)


@pytest.mark.parametrize("key", SCANS)
def test_committed_nifti_is_what_the_script_makes(made, make, study, key):
    kept, new = (nibabel.load(folder / f"head_{key}.nii.gz") for folder in (FOLDER, made))
    for image in (kept, new):
        assert image.get_data_dtype() == make.STORED_AS[key]
        assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
        np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-3)
        np.testing.assert_allclose(image.affine, study.volumes[key].geometry.to_ras_affine(), atol=1e-4)
    assert same_but_for_rounding(np.asarray(kept.dataobj), np.asarray(new.dataobj))
    assert np.abs(np.asarray(new.dataobj).T - study.volumes[key].array).max() <= 0.5
    assert not same_but_for_rounding(np.asarray(kept.dataobj), np.asarray(new.dataobj)[::-1])


def test_the_script_writes_the_same_bytes_again(made, make, study, tmp_path):
    make.write_nifti(study.volumes["us"], make.STORED_AS["us"], tmp_path / "us.nii.gz")
    assert (tmp_path / "us.nii.gz").read_bytes() == (made / "head_us.nii.gz").read_bytes()
    make.write_series(study.volumes["t1"], make.SERIES["t1"], tmp_path / "t1")
    for path in (made / "t1_dicom").iterdir():
        assert (tmp_path / "t1" / path.name).read_bytes() == path.read_bytes()


def read_series(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]


@pytest.mark.parametrize("key", ["ct", "t1"])
def test_dicom_series_lies_where_the_volume_lies_and_holds_its_voxels(study, key):
    geometry = study.volumes[key].geometry
    slices = read_series(FOLDER / f"{key}_dicom")
    assert len(slices) == geometry.size[2]
    kept = np.asarray(nibabel.load(FOLDER / f"head_{key}.nii.gz").dataobj).T
    for k, dataset in enumerate(slices):
        np.testing.assert_allclose(dataset.ImagePositionPatient, geometry.world((0, 0, k)), atol=1e-6)
        corner = np.array(dataset.ImagePositionPatient, dtype=float)
        row, column = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
        down, right = map(float, dataset.PixelSpacing)
        far = corner + row * right * (dataset.Columns - 1) + column * down * (dataset.Rows - 1)
        np.testing.assert_allclose(
            far, geometry.world((geometry.size[0] - 1, geometry.size[1] - 1, k)), atol=1e-5
        )
        values = dataset.pixel_array * float(dataset.get("RescaleSlope", 1)) + float(
            dataset.get("RescaleIntercept", 0)
        )
        np.testing.assert_array_equal(values, kept[k])


def test_dicom_identifies_one_patient_two_series_and_two_frames():
    ct, t1 = (read_series(FOLDER / f"{key}_dicom") for key in ("ct", "t1"))
    everything = ct + t1
    assert {str(dataset.PatientName) for dataset in everything} == {"Phantom^Head"}
    assert len({dataset.SOPInstanceUID for dataset in everything}) == len(everything)
    for series, modality in ((ct, "CT"), (t1, "MR")):
        assert {dataset.Modality for dataset in series} == {modality}
        assert len({dataset.SeriesInstanceUID for dataset in series}) == 1
        assert {dataset.file_meta.TransferSyntaxUID for dataset in series} == {"1.2.840.10008.1.2.1"}
    for word in ("SeriesInstanceUID", "FrameOfReferenceUID", "StudyInstanceUID"):
        assert len({dataset[word].value for dataset in everything}) == 2


@pytest.mark.parametrize("key", ["ct", "t1"])
def test_dicom_passes_dciodvfy(key):
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("needs the program dciodvfy (Debian package dicom3tools)")
    path = FOLDER / f"{key}_dicom" / "slice_020.dcm"
    told = subprocess.run([program, str(path)], capture_output=True, text=True, check=False)
    lines = (told.stdout + told.stderr).splitlines()
    assert any("Image" in line for line in lines)  # it recognised the object
    assert [line for line in lines if line.startswith(("Error", "Warning"))] == []


def test_truth_files_hold_the_true_transforms(made, study):
    for folder in (FOLDER, made):
        truth = json.loads((folder / "transforms.json").read_text(encoding="utf-8"))
        assert set(truth["transforms"]) == {"ct_to_t1", "ct_to_t2", "ct_to_us"}
        for name, matrix in truth["transforms"].items():
            key = name.removeprefix("ct_to_")
            np.testing.assert_allclose(matrix, study.transform("ct", key), atol=1e-9)
            transform = SimpleITK.ReadTransform(str(folder / f"{name}.tfm"))
            for landmark, point in truth["landmarks"]["ct"].items():
                moved = transform.TransformPoint(point)
                np.testing.assert_allclose(moved, truth["landmarks"][key][landmark], atol=1e-4)


def test_committed_files_are_small():
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert 1 * MEGABYTE < sum(path.stat().st_size for path in files) < 10 * MEGABYTE
