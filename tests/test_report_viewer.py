"""The viewer of a report: how volumes are packed into the page, and what a reader sees in a real browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html import unescape

import numpy as np
import pytest
from waiting import comes_true

import medfuse
from medfuse import Geometry, InputVolume, Recipe, Study, Volume, run_study, write_result, write_volume
from medfuse.report.viewer import contents, script_text, viewer_of_result
from medfuse.report.viewer.blocks import encoded, packed, packed_size, shrunk

SIZE = (40, 44, 24)
SPACING = (2.0, 2.0, 3.0)
HOSTILE = "<script>document.title = 'caught'</script>"


def geometry(turn):
    """Axes along L, P, S; or slices from the head down, columns to the back, rows to the right."""
    if turn == "plain":
        return Geometry(SIZE, SPACING, (-40.0, -44.0, -36.0))
    # x along P, y along R, z along I; centred on the same point
    direction = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    return Geometry(SIZE, SPACING, (40.0, -44.0, 36.0), direction)


def points(grid):
    """LPS points (z, y, x, 3) of the voxels."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    return index * grid.spacing @ np.transpose(grid.direction) + grid.origin


def volumes(turn):
    """A CT ball with a bright marker at the left front, near the head; an MR of the same ball."""
    grid = geometry(turn)
    place = points(grid)
    radius = np.linalg.norm(place / (36, 38, 32), axis=-1)
    ct = np.where(radius < 1, 40.0, -1000.0) + 10 * np.sin(place[..., 0] / 6)
    marker = np.linalg.norm(place - (20, -18, 12), axis=-1) < 7
    ct[marker] = 1500
    mr = np.where(radius < 1, 300 + 200 * np.cos(place[..., 1] / 9), 0.0)
    return Volume(np.rint(ct).astype(np.float32), grid, "CT"), Volume(mr.astype(np.float32), grid, "MR")


@pytest.fixture(scope="module", params=["plain", "turned"])
def made(request, tmp_path_factory):
    """A result and its page."""
    folder = tmp_path_factory.mktemp("viewer")
    for name, volume in zip(("ct", "mr"), volumes(request.param), strict=True):
        write_volume(volume, folder / f"{name}.nii.gz")
    study = Study(InputVolume(folder / "ct.nii.gz", "CT"), [InputVolume(folder / "mr.nii.gz", "MR")])
    result = run_study(study, Recipe(method="average", registration="none", profile="ma2021"))
    return result, write_result(result, folder / "out")


class TestBlocks:
    def unpacked(self, block, shape):
        raw = np.frombuffer(gzip.decompress(base64.b64decode(block.text)), np.uint8)
        half = raw.size // 2
        codes = raw[:half].astype(int) + 256 * raw[half:].astype(int) if block.wide else raw.astype(int)
        return codes.reshape(shape)

    def test_whole_numbers_come_back_exactly(self):
        array = np.random.default_rng(1).integers(-1024, 3071, (3, 4, 5)).astype(np.float32)
        block = packed(encoded(array, None, 255, whole=True))
        values = block.lower + (self.unpacked(block, array.shape) - 1) * block.step
        np.testing.assert_array_equal(values, array)

    @pytest.mark.parametrize("levels", [255, 1023, 4095])
    def test_others_come_back_within_half_a_step(self, levels):
        array = np.random.default_rng(2).normal(5, 3, (3, 4, 5)).astype(np.float32)
        block = packed(encoded(array, None, levels))
        assert block.wide == (levels > 255)
        values = block.lower + (self.unpacked(block, array.shape) - 1) * block.step
        assert np.abs(values - array).max() <= block.step * 0.51
        assert block.step == pytest.approx(np.ptp(array) / (levels - 1))

    def test_what_was_not_measured_is_code_0_and_does_not_count(self):
        array = np.array([[[1.0, 2.0, 1e9]]], np.float32)
        valid = np.array([[[True, True, False]]])
        block = packed(encoded(array, valid, 255))
        assert self.unpacked(block, array.shape).tolist() == [[[1, 255, 0]]]

    @pytest.mark.parametrize("array", [np.zeros((1, 1, 1)), np.full((2, 2, 2), 7.0)])
    def test_flat_volumes(self, array):
        block = packed(encoded(array.astype(np.float32), None, 255))
        assert (self.unpacked(block, array.shape) == 1).all()
        assert block.lower == array.flat[0]

    def test_shrinking_takes_means(self):
        array = np.arange(5 * 3 * 2, dtype=np.float32).reshape(5, 3, 2)
        small = shrunk(array, 2)
        assert small.shape == (3, 2, 1)
        assert small[0, 0, 0] == array[:2, :2, :2].mean()
        assert small[2, 1, 0] == array[4:, 2:, :].mean()
        assert shrunk(array, 1) is array

    def test_size_is_known_before(self):
        array = np.random.default_rng(3).integers(0, 4000, (60, 64, 64)).astype(np.float32)
        codes = encoded(array, None, 255, whole=True)
        assert packed_size(codes) == pytest.approx(len(packed(codes).text), rel=0.05)


class TestContents:
    def facts(self, viewer):
        return json.loads(viewer.facts)

    def test_layers_and_their_first_windows(self, made):
        result, _ = made
        layers = self.facts(viewer_of_result(result, (1, 2, 3)))["layers"]
        assert [one["group"] for one in layers][:3] == ["fused", "volume", "volume"]
        assert {one["name"] for one in layers if one["group"] == "rival"} == {"rival: maximum", "rival: pca"}
        assert layers[1]["unit"] == "HU"
        assert layers[1]["window"] == [-100, 900]
        assert ["brain", 0, 100] in layers[1]["presets"]
        assert layers[2]["presets"] == [["as fused", *layers[2]["window"]]]

    def test_what_does_not_fit_is_left_out_or_shrunk_and_said(self, made, monkeypatch):
        result, _ = made
        # Estimates from every sixth slice are for volumes of more slices than this one has.
        monkeypatch.setattr(contents, "packed_size", lambda codes: len(packed(codes).text))
        whole = viewer_of_result(result, (4, 4, 4))
        size = sum(map(len, whole.blocks))
        monkeypatch.setattr(contents, "BUDGET", size * 0.9)
        fewer = viewer_of_result(result, (4, 4, 4))
        assert len(fewer.blocks) < len(whole.blocks)
        assert "Left out, so that the page stays below 20 MB" in fewer.notes[0]
        monkeypatch.setattr(contents, "BUDGET", size * 0.2)
        small = viewer_of_result(result, (4, 4, 4))
        assert sum(map(len, small.blocks)) < size * 0.2
        assert "Shown at 1/" in small.notes[0]
        facts = self.facts(small)
        assert facts["factor"] > 1
        assert facts["voxel"] == [4 // facts["factor"]] * 3

    def test_a_shrunk_grid_lies_where_the_volume_lies(self, monkeypatch):
        grid = geometry("turned")
        shown = contents._grid(grid, 2)
        affine = np.array(shown["affine"])
        mean = points(grid)[4:6, 2:4, 6:8].reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(affine @ [3, 1, 2, 1], [*mean, 1], atol=1e-4)
        assert shown["size"] == [20, 22, 12]

    def test_hostile_names_cannot_leave_their_element(self):
        text = contents._safe_json({"name": f"{HOSTILE}</script><!--", "amp": "&"})
        assert not set("<>&") & set(text)
        assert json.loads(text)["name"].startswith(HOSTILE)


class TestScript:
    def test_names_at_the_top_are_unique(self):
        """All modules share one scope."""
        names = re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", script_text(), re.MULTILINE)
        assert len(names) == len(set(names)) > 20

    def test_nothing_of_modules_is_left(self):
        assert not re.search(r"^\s*(import|export)\b", script_text(), re.MULTILINE)
        assert "</script" not in script_text()


class TestPage:
    def test_policy_names_this_script_and_nothing_else(self, made):
        text = made[1].read_text(encoding="utf-8")
        policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert re.findall(r"<script(?: [^>]*)?>", text)[-1] == "<script>"
        assert not re.search(r"""(?:src|href)=["'](?!data:)""", text)
        assert not re.search(r"\son\w+=", text.split("<script")[0])

    def test_sentences_for_a_paper_and_the_command(self, made):
        text = made[1].read_text(encoding="utf-8")
        assert "medfuse fuse FIXED MOVING_1 --recipe recipe.toml -o again" in text
        assert "were fused slice by slice by the method average" in text
        assert "@misc{medfuse," in text
        assert "Petrovic" in text


def errors_in(browser):
    """What the page complained of; reading a canvas is slow, of which the browser warns."""
    return [one for one in browser.get_log("browser") if one["level"] != "WARNING"]


@pytest.fixture
def page(browser, made):
    result, path = made
    errors_in(browser)  # of the page before
    browser.set_window_size(1400, 1000)
    browser.get(path.as_uri())
    assert comes_true(
        lambda: browser.execute_script("return document.getElementById('viewer').dataset.ready") == "yes"
    )
    return Reader(browser, result)


class Reader:
    """A reader of the page."""

    def __init__(self, browser, result):
        self.browser, self.result = browser, result
        self.geometry = result.volumes[0].geometry

    def find(self, name):
        return self.browser.find_element("css selector", f'[data-viewer="{name}"]')

    def frame(self):
        """Wait for what was asked for to be drawn."""
        self.browser.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )

    def set(self, name, value):
        self.browser.execute_script(
            """const e = arguments[0]; e.value = arguments[1];
            for (const kind of ['input', 'change']) e.dispatchEvent(new Event(kind, {bubbles: true}))""",
            self.find(name),
            str(value),
        )
        self.frame()

    def choose(self, name, words):
        select = self.find(name)
        options = select.find_elements("css selector", "option")
        value = next(one.get_attribute("value") for one in options if words in one.text)
        self.set(name, value)
        assert comes_true(
            lambda: self.browser.execute_script("return !document.querySelector('[aria-busy]')")
        )
        self.frame()

    def hide_marks(self):
        if self.find("cross").is_selected():
            self.find("cross").click()
        self.frame()

    def pixels(self, plane):
        """The canvas of a plane, (rows, columns, 3)."""
        text = self.browser.execute_script(
            """const c = arguments[0]; const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);
            let s = ''; for (const one of d.data) s += String.fromCharCode(one);
            return [c.width, c.height, btoa(s)]""",
            self.find(f"{plane}-canvas"),
        )
        width, height, data = text
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3].astype(int)

    def slice_of(self, plane):
        return int(self.find(f"{plane}-slider").get_attribute("value"))

    def position(self):
        return [float(one) for one in re.findall(r"-?\d+\.\d", self.find("position").text)]

    def values(self):
        rows = self.browser.find_elements("css selector", '[data-viewer="values"] tr')
        return {
            row.find_element("css selector", "th").text: row.find_element("css selector", "td").text
            for row in rows
        }

    def go(self, point):
        """Bring the crosshair to the voxel nearest a point (LPS), by the sliders; returns (z, y, x)."""
        place = np.linalg.norm(points(self.geometry) - point, axis=-1)
        voxel = np.unravel_index(place.argmin(), place.shape)
        planes = json.loads(
            self.browser.execute_script("return document.getElementById('viewer-facts').textContent")
        )
        for name, plane in planes["planes"].items():
            self.set(f"{name}-slider", int(voxel[plane["across"]]))
        return tuple(int(index) for index in voxel)


class TestBrowser:
    def test_opens_without_errors_or_requests(self, page):
        assert errors_in(page.browser) == []
        assert page.browser.execute_script("return performance.getEntriesByType('resource').length") == 0
        assert page.browser.execute_script("return document.getElementById('viewer').hidden") is False

    @pytest.mark.parametrize(
        ("plane", "left", "top"), [("axial", 0, 1), ("coronal", 0, 2), ("sagittal", 1, 2)]
    )
    def test_left_is_right(self, page, plane, left, top):
        """The marker lies at L 20, P -18, S 12: right half, upper half; left in the sagittal."""
        page.go((20, -18, 12))
        page.hide_marks()
        page.choose("base", "fixed CT")
        page.set("lower", 1000)
        page.set("upper", 1400)
        rows, columns = np.nonzero(page.pixels(plane).min(axis=-1) > 200)
        height, width = page.pixels(plane).shape[:2]
        # Letters are yellow: their blue stays below 200.
        assert rows.size > 20
        across = columns.mean() / width
        assert (across < 0.45) if plane == "sagittal" else (across > 0.55)
        assert rows.mean() / height < 0.5

    def test_values_under_the_crosshair_are_the_volume_s(self, page):
        for point in ((20, -18, 12), (0, 0, 0), (-30, 10, -20), (39, 43, 35)):
            voxel = page.go(point)
            values = page.values()
            lps = points(page.geometry)[voxel]
            np.testing.assert_allclose(page.position(), lps, atol=0.06)
            ct, mr = (one.array[voxel] for one in page.result.volumes)
            assert float(values["fixed CT"].split()[0]) == pytest.approx(float(ct), abs=0.5)
            assert values["fixed CT"].endswith("HU")
            spread = np.ptp(page.result.volumes[1].array) / 1022
            assert float(values["moving MR"].split()[0]) == pytest.approx(float(mr), abs=float(spread) + 0.05)
            fused = next(value for name, value in values.items() if name.startswith("fused"))
            assert float(fused.split()[0]) == pytest.approx(float(page.result.fused.array[voxel]), abs=0.005)

    def test_a_window_by_name_shows_what_rescale_gives(self, page):
        voxel = page.go((0, 0, 0))
        page.hide_marks()
        page.choose("base", "fixed CT")
        page.choose("preset", "brain")
        wanted = medfuse.rescale(page.result.volumes[0], "brain").array
        plane = json.loads(
            page.browser.execute_script("return document.getElementById('viewer-facts').textContent")
        )["planes"]["axial"]
        image = np.take(wanted, voxel[plane["across"]], axis=plane["across"])
        seen = page.pixels("axial").mean(axis=-1)
        height, width = seen.shape
        # The middle of the ball varies slowly: smoothing by the page changes little there.
        assert seen[
            height // 2 - 5 : height // 2 + 5, width // 2 - 5 : width // 2 + 5
        ].mean() == pytest.approx(
            255
            * image[
                image.shape[0] // 2 - 1 : image.shape[0] // 2 + 2,
                image.shape[1] // 2 - 1 : image.shape[1] // 2 + 2,
            ].mean(),
            abs=10,
        )
        assert float(page.find("lower").get_attribute("value")) == 0
        assert float(page.find("upper").get_attribute("value")) == 100

    def test_wheel_keys_and_slider_move_the_slice(self, page):
        page.go((0, 0, 0))
        before = page.slice_of("axial")
        page.browser.execute_script(
            "arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: 100, cancelable: true}))",
            page.find("axial-canvas"),
        )
        page.frame()
        assert page.slice_of("axial") == before + 1
        page.find("axial-canvas").send_keys("")
        from selenium.webdriver.common.keys import Keys

        page.find("axial-canvas").send_keys(Keys.PAGE_UP, Keys.PAGE_UP)
        page.frame()
        assert page.slice_of("axial") == before - 1
        others = page.slice_of("sagittal"), page.slice_of("coronal")
        page.find("axial-canvas").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
        page.frame()
        assert abs(page.slice_of("sagittal") - others[0]) == 1
        assert abs(page.slice_of("coronal") - others[1]) == 1
        page.set("axial-slider", 3)
        assert page.slice_of("axial") == 3
        for _ in range(5):
            page.find("axial-canvas").send_keys(Keys.PAGE_UP)
        page.frame()
        assert page.slice_of("axial") == 0  # and no farther

    def test_a_click_moves_all_planes(self, page):
        from selenium.webdriver import ActionChains

        page.go((0, 0, 0))
        canvas = page.find("axial-canvas")
        page.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
        box = canvas.rect
        ActionChains(page.browser).move_to_element_with_offset(
            canvas, int(box["width"] * 0.25), int(-box["height"] * 0.25)
        ).click().perform()
        page.frame()
        left, posterior, _ = page.position()
        extent = points(page.geometry).reshape(-1, 3)
        assert left == pytest.approx(np.quantile(np.unique(extent[:, 0].round(3)), 0.75), abs=3)
        assert posterior == pytest.approx(np.quantile(np.unique(extent[:, 1].round(3)), 0.25), abs=3)

    def test_comparisons_change_the_picture_as_they_say(self, page):
        page.go((0, 0, 0))
        page.hide_marks()
        page.choose("base", "fixed CT")
        alone = page.pixels("axial")
        page.choose("over", "moving MR")
        page.set("mix", 100)
        page.choose("mode", "blended")
        other = page.pixels("axial")
        page.set("mix", 50)
        half = page.pixels("axial")
        np.testing.assert_allclose(half, (alone + other) / 2, atol=4)
        page.choose("mode", "swipe")
        swiped = page.pixels("axial")
        width = alone.shape[1]
        left, right = np.s_[:, 5 : width // 2 - 20], np.s_[:, width // 2 + 20 : -25]
        np.testing.assert_array_equal(swiped[left], alone[left])
        np.testing.assert_array_equal(swiped[right], other[right])
        page.set("mix", 20)
        assert np.abs(page.pixels("axial")[left] - alone[left]).max() > 20
        page.choose("mode", "checkerboard")
        tiles = page.pixels("axial")
        assert np.abs(tiles - alone).max() > 20
        assert np.abs(tiles - other).max() > 20
        page.choose("mode", "edges")
        drawn = page.pixels("axial")
        orange = (drawn[..., 0] > 180) & (drawn[..., 2] < 100) & (alone.min(axis=-1) == alone.max(axis=-1))
        assert 50 < orange.sum() < 0.2 * orange.size
        page.choose("mode", "nothing else")
        np.testing.assert_array_equal(page.pixels("axial"), alone)

    def test_flicker_takes_turns(self, page):
        page.choose("mode", "flicker")
        page.choose("over", "moving MR")
        first = page.pixels("axial")
        assert comes_true(lambda: np.abs(page.pixels("axial") - first).max() > 20)
        assert comes_true(lambda: np.abs(page.pixels("axial") - first).max() == 0)

    def test_dragging_with_shift_changes_the_window_and_reset_brings_it_back(self, page):
        before = [page.find(name).get_attribute("value") for name in ("lower", "upper")]
        page.browser.execute_script(
            """const c = arguments[0]; const fire = (type, x, y) => c.dispatchEvent(new PointerEvent(
                type, {pointerId: 1, shiftKey: true, clientX: x, clientY: y, bubbles: true}));
            c.setPointerCapture = () => {}; fire('pointerdown', 10, 10); fire('pointermove', 60, 40);
            fire('pointerup', 60, 40)""",
            page.find("axial-canvas"),
        )
        page.frame()
        changed = [page.find(name).get_attribute("value") for name in ("lower", "upper")]
        assert float(changed[1]) - float(changed[0]) == pytest.approx(1.01**50, rel=0.01)
        page.find("reset").click()
        page.frame()
        assert [page.find(name).get_attribute("value") for name in ("lower", "upper")] == before

    def test_curves_follow_the_slice_and_lead_to_it(self, page):
        marker = "return Number(document.querySelector('.plot-marker').getAttribute('x1'))"
        axis = json.loads(
            page.browser.execute_script("return document.getElementById('viewer-facts').textContent")
        )
        name = next(name for name, plane in axis["planes"].items() if plane["across"] == 0)
        page.set(f"{name}-slider", 0)
        start = page.browser.execute_script(marker)
        page.set(f"{name}-slider", SIZE[2] - 1)
        assert page.browser.execute_script(marker) > start + 200
        page.browser.execute_script(
            """const s = document.querySelector('[data-viewer="plots"] svg[role="img"]');
            const r = s.getBoundingClientRect();
            const at = {clientX: r.left + r.width * 44 / 340 + 1, clientY: r.top + 40, bubbles: true};
            s.dispatchEvent(new MouseEvent('click', at))"""
        )
        page.frame()
        assert page.slice_of(name) == 0

    def test_rivals_and_maps_can_be_chosen(self, page):
        page.choose("base", "rival: maximum")
        assert page.values()["rival: maximum"]
        page.hide_marks()
        page.choose("over", "fused")
        assert errors_in(page.browser) == []

    def test_without_a_way_to_unpack_the_pictures_stay(self, page):
        """As in a browser that is too old: the same page, but for the one thing."""
        added = page.browser.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
        )
        try:
            page.browser.refresh()
            assert page.browser.execute_script("return document.getElementById('viewer').hidden")
            images = page.browser.find_elements("css selector", ".static-pictures img")
            assert sum(one.is_displayed() for one in images) >= 9
        finally:
            page.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)

    @pytest.mark.parametrize("width", [1440, 1024, 500])
    def test_nothing_is_wider_than_the_window(self, page, width):
        page.browser.set_window_size(width, 900)
        page.frame()
        wide = page.browser.execute_script(
            """return [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, .sr')
                && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
        )
        assert wide == []


def test_a_study_with_a_hostile_name_does_nothing(browser, made, tmp_path, monkeypatch):
    from dataclasses import replace

    result, _ = made
    volumes = tuple(replace(one, modality="OT") for one in result.volumes)
    hostile = replace(result, volumes=volumes)
    monkeypatch.setattr(type(hostile), "labels", property(lambda self: (HOSTILE, f"{HOSTILE}</script>")))
    path = write_result(hostile, tmp_path / "out")
    browser.get(path.as_uri())
    assert comes_true(
        lambda: browser.execute_script("return document.getElementById('viewer').dataset.ready") == "yes"
    )
    assert "caught" not in browser.title or "script" in browser.title
    assert browser.execute_script("return document.title") != "caught"
    assert HOSTILE in browser.find_element("css selector", '[data-viewer="values"]').text
    assert errors_in(browser) == []
