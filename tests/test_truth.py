"""A result beside the truth: what is compared with what, where it is shown, and what is refused."""

from __future__ import annotations

import json
import webbrowser
from dataclasses import replace

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from typer.testing import CliRunner

import medfuse.pipeline
import medfuse.report
from medfuse import Geometry, InputVolume, Recipe, Study, Volume, fuse, run_study, write_result, write_volume
from medfuse.cli import app
from medfuse.cli import demo as demo_module
from medfuse.errors import GeometryError, ParameterError
from medfuse.metrics import compare_with_truth, psnr
from medfuse.report.redaction import Redaction
from medfuse.sources import Sources

GRID = Geometry((48, 40, 2), (1.0, 1.5, 4.0))
RECIPE = Recipe(method="pca", registration="none", profile="ma2021", windows=("MR=0.5/1",))


def blocks() -> np.ndarray:
    """Two sources (2, z, y, x) of flat parts."""
    scene = np.zeros((2, *GRID.shape))
    scene[0, :, 6:30, 6:40] = 0.4
    scene[0, :, 10:20, 10:24] = 0.8
    scene[1, :, 8:34, 8:36] = 0.5
    scene[1, :, 16:30, 20:30] = 0.2
    return scene


def written(folder, arrays, names, grid=GRID):
    for name, array in zip(names, arrays, strict=True):
        write_volume(Volume(array, grid), folder / f"{name}.nii.gz")
    return [folder / f"{name}.nii.gz" for name in names]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("truth")
    truth = blocks()
    seen = np.abs(truth + 0.1 * np.random.default_rng(0).standard_normal(truth.shape)).clip(0, 1)
    noisy = written(folder, seen, ("a", "b"))
    clean = written(folder, truth, ("a_truth", "b_truth"))
    pairs = zip(noisy, clean, strict=True)
    return Study(*(InputVolume(path, "MR", truth=known) for path, known in pairs))


@pytest.fixture(scope="module")
def result(study):
    return run_study(study, replace(RECIPE, parameters={"denoise": "nlm"}))


def test_psnr_and_ssim_are_those_of_scikit_image():
    rng = np.random.default_rng(1)
    truth = rng.random((2, 40, 48))
    image = (truth + 0.1 * rng.standard_normal(truth.shape)).clip(0, 1)
    found = compare_with_truth(image, truth, Sources(np.stack([truth, truth])))
    assert found.psnr == pytest.approx(peak_signal_noise_ratio(truth, image, data_range=1), abs=1e-3)
    padded = [np.pad(one, ((0, 0), (5, 5), (5, 5)), mode="edge") for one in (image, truth)]
    expected = [
        structural_similarity(
            one, two, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for one, two in zip(*padded, strict=True)
    ]
    assert found.ssim == pytest.approx(np.mean(expected), abs=2e-3)
    assert psnr(truth, truth) == np.inf
    with pytest.raises(ParameterError, match="expected one shape"):
        psnr(truth, truth[0])


def test_only_what_all_sources_measured_is_compared():
    truth = np.random.default_rng(2).random((1, 20, 30))
    image = truth.copy()
    image[:, :, 20:] = 1 - image[:, :, 20:]
    valid = np.ones((2, 1, 20, 30), bool)
    valid[1, :, :, 20:] = False
    sources = Sources(np.stack([truth, truth]), valid)
    assert compare_with_truth(image, truth, sources).psnr > 60
    assert compare_with_truth(image, truth, Sources(np.stack([truth, truth]))).psnr < 20


def test_the_truth_is_the_closed_form_of_the_clean_volumes(result):
    expected = fuse(blocks().astype(np.float32), "pca").array
    np.testing.assert_allclose(result.beside_truth.picture, expected, atol=1e-5)
    scores = result.beside_truth.likeness
    assert set(scores) == {"pca", "average", "maximum", "pca_undenoised"}
    assert scores["pca"].psnr > scores["pca_undenoised"].psnr + 2
    assert scores["pca"].psnr == pytest.approx(psnr(result.fused.array, expected), abs=1e-3)


def test_the_exposure_is_that_of_what_ran(study):
    clipped = run_study(study, replace(RECIPE, parameters={"exposure": "clip", "denoise": "nlm"}))
    expected = fuse(blocks().astype(np.float32), "pca", parameters={"exposure": "clip"}).array
    np.testing.assert_allclose(clipped.beside_truth.picture, expected, atol=1e-5)


def test_undenoised_is_what_was_read(study):
    """Where the volumes were denoised on their own grids, the baselines were too; this one was not."""
    done = run_study(study, replace(RECIPE, denoise="nlm"))
    assert any(one.planes for one in done.removed)
    plain = run_study(study, RECIPE)
    np.testing.assert_array_equal(done.baselines["pca_undenoised"], plain.fused.array)
    assert "pca_undenoised" not in plain.baselines


def test_the_report_the_picture_and_the_provenance_say_it(result, tmp_path):
    report = write_result(result, tmp_path / "out")
    page = report.read_text(encoding="utf-8")
    assert "Beside the truth" in page
    assert "pca, undenoised" in page
    assert "PSNR to truth (dB)" in page
    assert (tmp_path / "out" / "truth.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    assert facts["truth"]["psnr_db"]["pca"] == pytest.approx(result.beside_truth.likeness["pca"].psnr)
    assert [len(one) for one in facts["truth"]["sha256"]] == [64, 64]
    write_result(result, tmp_path / "out", overwrite=True)  # the picture is no foreign file


def test_without_a_truth_nothing_is_said_of_it(study, tmp_path):
    plain = Study(*(replace(one, truth=None) for one in study.volumes))
    done = run_study(plain, RECIPE)
    page = write_result(done, tmp_path / "out").read_text(encoding="utf-8")
    assert done.beside_truth is None
    assert "Beside the truth" not in page
    assert not (tmp_path / "out" / "truth.png").exists()


def test_a_volume_without_a_truth_is_its_own(study):
    one = Study(study.fixed, replace(study.moving[0], truth=None))
    done = run_study(one, RECIPE)
    np.testing.assert_array_equal(done.truth.array[1], done.sources.array[1])
    assert np.abs(done.truth.array[0] - done.sources.array[0]).max() > 0.1
    assert done.truth_hashes[1] == ""


def test_a_truth_on_another_grid_is_refused(study, tmp_path):
    other = Geometry(GRID.size, (1.0, 1.5, 5.0))
    (path,) = written(tmp_path, blocks()[:1], ("other",), other)
    with pytest.raises(GeometryError, match=r"the truth .*other\.nii\.gz lies on .*expected one grid"):
        run_study(Study(study.fixed, replace(study.moving[0], truth=path)), RECIPE)


def test_the_name_of_a_truth_does_not_reach_the_record_of_a_batch(study, tmp_path):
    (tmp_path / "Doe_Jane").mkdir()
    (path,) = written(
        tmp_path / "Doe_Jane", blocks()[:1], ("Doe_clean",), Geometry(GRID.size, (1.0, 1.5, 5.0))
    )
    one = Study(study.fixed, replace(study.moving[0], truth=path))
    with pytest.raises(GeometryError) as error:
        run_study(one, RECIPE)
    assert "Doe" in str(error.value)
    assert "Doe" not in Redaction(one.paths, one.other_files)(str(error.value))


def test_a_study_keeps_its_truth_on_the_way_to_a_child(study):
    assert Study.from_mapping(json.loads(json.dumps(study.to_mapping()))) == study
    assert Study("a.nii", InputVolume("b.nii", truth="c.nii")).absolute().truth_files[0].is_absolute()


def test_the_option_goes_by_the_order_of_the_volumes(study, monkeypatch, tmp_path):
    asked = []

    def stop(one, *_):
        asked.append(one)
        raise ParameterError("enough")

    monkeypatch.setattr(medfuse.pipeline, "run_study", stop)
    words = ["fuse", *map(str, study.paths), "-o", str(tmp_path / "out"), "--progress", "none"]
    CliRunner().invoke(app, [*words, "--truth", "-", "--truth", "c.nii"])
    assert [one.truth and one.truth.name for one in asked[0].volumes] == [None, "c.nii"]
    done = CliRunner().invoke(app, [*words, "--truth", "c.nii"])
    assert "1 times --truth for 2 volumes" in str(done.exception)


class TestDemo:
    @pytest.fixture
    def ran(self, monkeypatch, tmp_path):
        """What the demo asked for and opened, without any work."""
        asked, opened = [], []

        def fused(study, recipe, how):
            how.output.mkdir(parents=True)
            asked.append((study, recipe, how.output.name))
            return how.output / "report.html"

        monkeypatch.setattr(demo_module, "fuse_study", fused)
        monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or len(opened) < 2)
        done = CliRunner().invoke(app, ["demo", "-o", str(tmp_path / "d"), "--open"])
        assert done.exit_code == 0, done.exception
        return asked, opened, done, tmp_path / "d"

    def test_two_pairs_the_noisy_one_with_its_truth(self, ran):
        (noisy, clean), opened, done, folder = ran
        assert [one[2] for one in (noisy, clean)] == ["noisy", "result"]
        assert [volume.modality for volume in noisy[0].volumes] == ["MR", "CT"]
        assert all(path.is_file() for path in (*noisy[0].paths, *noisy[0].truth_files, *clean[0].paths))
        assert len(noisy[0].truth_files) == 2
        assert clean[0].truth_files == ()
        assert noisy[1].method == clean[1].method == "auto"
        demo_module._check_own(folder)  # all that it wrote is its own
        assert [url.rsplit("/", 2)[1] for url in opened] == ["noisy", "result"]
        assert all(url.startswith("file:///") for url in opened)
        assert done.stdout.rstrip().endswith("report.html")
        assert "no browser could be opened" in done.stderr
