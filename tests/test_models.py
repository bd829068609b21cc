"""Published networks as folders: the card, the files, the run, tiles, and what is refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from itertools import pairwise

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnx", reason="needs the extra onnx")

from made_models import CARD, blur, card_text, node, onnx_of, pair, write_model  # noqa: E402

from medfuse import Recipe, Study, Volume, fuse, run_study  # noqa: E402
from medfuse.cli import app  # noqa: E402
from medfuse.errors import (  # noqa: E402
    Cancelled,
    DependencyError,
    DeviceError,
    MedfuseError,
    ParameterError,
    ReadError,
    WeightsError,
)
from medfuse.fusion.networks.published import PublishedNetwork  # noqa: E402
from medfuse.models import check_model, load_network, parse_card, read_bundle  # noqa: E402
from medfuse.models.bundle import pack_test  # noqa: E402
from medfuse.models.tiles import in_tiles, starts_of  # noqa: E402
from medfuse.phantom import sample_study  # noqa: E402
from medfuse.weights import check_weights, digests_of  # noqa: E402


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


def stack(n=2, depth=3, height=37, width=53, seed=1):
    return np.random.default_rng(seed).random((n, depth, height, width), np.float32)


def two_inputs(names=("a", "b_"), shape=("b", 1, "y", "x")):
    return tuple((name, shape) for name in names)


class TestCard:
    def test_right_one_is_read(self):
        card = parse_card(
            tomli_w.dumps(
                {**CARD, "sha256": "0" * 64, "modalities": [["ct", "mr"]], "output": {"range": [-1, 1]}}
            )
        )
        assert card.name == "made"
        assert card.modalities == (("CT", "MR"),)
        assert card.output.range == (-1, 1)
        assert card.input.padding == "reflect"

    def test_any_number_of_sources_is_zero(self):
        text = card_text(b"", input={"sources": "any", "layout": "stack"})
        assert parse_card(text).input.sources == 0

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"name": ""}, "name = '': expected words on one line"),
            ({"licence": 3}, "licence = '3': expected words"),
            ({"format": 2}, "format = '2': expected 1"),
            ({"format": True}, "format = 'True': expected 1"),
            ({"sha256": "abc"}, "sha256 = 'abc': expected 64 hexadecimal digits"),
            ({"modalities": ["CT"]}, "modalities"),
            ({"tolerance": 0}, "tolerance = '0': expected a number in (0, 0.1]"),
            ({"speed": 3}, "speed is not known"),
            ({"input": {"sources": 1}}, "[input] sources = '1': expected a number from 2 to 16"),
            ({"input": {"sources": "any"}}, "expected layout channels or stack"),
            ({"input": {"layout": "sideways"}}, "expected separate or channels or stack"),
            ({"input": {"channels": 2}}, "[input] channels = '2': expected 1 or 3"),
            ({"input": {"range": [1, 0]}}, "two numbers, that of black first"),
            ({"input": {"mean": [1, 2]}}, "mean: expected one number for each channel"),
            ({"input": {"deviation": [0]}}, "expected one or three numbers above 0"),
            ({"input": {"names": ["a"]}}, "1 names: expected 2"),
            ({"input": {"size": [64]}}, "[height, width]"),
            ({"input": {"size": [64, 60], "size_multiple": 8}}, "expected multiples of 8"),
            ({"input": {"size": [64, 64], "overlap": 40}}, "at most half"),
            ({"input": {"padding": "wrap"}}, "expected reflect or edge or zero"),
            ({"output": {"colour": "all"}}, "expected channels = 3"),
            ({"output": {"colour": "green"}}, "expected luma or all"),
        ],
    )
    def test_wrong_value_is_named(self, changes, words):
        with pytest.raises(WeightsError) as error:
            parse_card(card_text(b"", **changes))
        assert words in str(error.value)

    def test_all_that_is_wrong_is_named_at_once(self):
        with pytest.raises(WeightsError, match=r"(?s)licence.*channels.*range"):
            parse_card(card_text(b"", licence="", input={"channels": 7}, output={"range": [1, 1]}))

    @pytest.mark.parametrize("missing", ["name", "licence", "citation", "sha256", "format"])
    def test_missing_value_is_named(self, missing):
        lines = [line for line in card_text(b"").splitlines() if not line.startswith(f"{missing} =")]
        with pytest.raises(WeightsError, match=f"{missing} is missing"):
            parse_card("\n".join(lines))

    @settings(max_examples=200, deadline=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        st.sampled_from(["name", "modalities", "input", "output", "tolerance", "format"]),
    )
    def test_no_value_of_any_kind_gets_through_or_crashes(self, value, name):
        from medfuse.models.card import problems_of

        assert all(isinstance(one, str) for one in problems_of({**CARD, "sha256": "0" * 64, name: value}))

    @pytest.mark.parametrize("text", ["a = ", "x = " + "[" * 5000, "x = " + "1" * 10000, "\x00"])
    def test_no_toml_is_one_line(self, text):
        with pytest.raises(WeightsError) as error:
            parse_card(text)
        assert "\n" not in str(error.value)


class TestFiles:
    def test_zip_is_as_good_as_the_folder(self, model, tmp_path):
        for inside in ("", "made/"):
            path = tmp_path / f"packed{len(inside)}.zip"
            with zipfile.ZipFile(path, "w") as packed:
                for file in model.iterdir():
                    packed.write(file, inside + file.name)
            assert read_bundle(path).onnx == read_bundle(model).onnx

    @pytest.mark.parametrize("name", ["model.onnx", "medfuse-model.toml", "test.npz"])
    def test_missing_file_is_named(self, model, name):
        (model / name).unlink()
        with pytest.raises(WeightsError, match=f"{name}: is missing"):
            read_bundle(model)

    def test_other_onnx_file_is_refused(self, model):
        (model / "model.onnx").write_bytes(blur())
        with pytest.raises(WeightsError, match=r"model\.onnx: its sha256 is .* the card says"):
            read_bundle(model)

    def test_link_out_of_the_folder_is_not_followed(self, model, tmp_path):
        secret = tmp_path / "secret.npz"
        (model / "test.npz").rename(secret)
        (model / "test.npz").symlink_to(secret)
        with pytest.raises(WeightsError, match="link out of the model's folder"):
            read_bundle(model)

    def test_zip_that_unpacks_to_too_much_is_refused(self, model, tmp_path):
        path = tmp_path / "bomb.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("medfuse-model.toml", b" " * (2 << 20))
        with pytest.raises(WeightsError, match="expected at most 1048576"):
            read_bundle(path)

    def test_test_pair_that_unpacks_to_too_much_is_refused(self, model):
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("sources.npy", bytes(80 << 20))
        (model / "test.npz").write_bytes(held.getvalue())
        with pytest.raises(WeightsError, match=r"test\.npz: 83886080 bytes"):
            read_bundle(model)

    def test_pickle_in_the_test_pair_is_not_opened(self, model):
        np.savez(model / "test.npz", sources=np.array([{}], dtype=object), fused=np.zeros((2, 2)))
        with pytest.raises(WeightsError, match=r"test\.npz"):
            read_bundle(model)

    @pytest.mark.parametrize(
        ("sources", "fused"),
        [
            (np.zeros((2, 4, 4)), np.zeros((4, 5))),
            (np.zeros((3, 4, 4)), np.zeros((4, 4))),
            (np.zeros((2, 4, 4)) + 2, np.zeros((4, 4))),
            (np.zeros((2, 4, 4)), np.full((4, 4), np.nan)),
            (np.zeros((2, 0, 4)), np.zeros((0, 4))),
            (np.zeros((2, 4, 4), "U1"), np.zeros((4, 4))),
        ],
    )
    def test_test_pair_of_the_wrong_kind_is_refused(self, model, sources, fused):
        np.savez(model / "test.npz", sources=sources, fused=fused)
        with pytest.raises(WeightsError, match=r"test\.npz"):
            read_bundle(model)

    def test_nothing_there_and_no_model(self, tmp_path):
        with pytest.raises(ReadError, match="does not exist"):
            read_bundle(tmp_path / "none")
        (tmp_path / "text").write_text("hello")
        with pytest.raises(WeightsError, match="expected a folder or a zip"):
            read_bundle(tmp_path / "text")

    def test_weights_in_other_files_are_not_looked_up(self, tmp_path, monkeypatch):
        """ONNX Runtime would take them from the working directory."""
        import onnx

        made = onnx.load_from_string(blur())
        onnx.save(made, tmp_path / "ext.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
        assert (tmp_path / "w.bin").exists()
        folder = write_model(tmp_path / "model", (tmp_path / "ext.onnx").read_bytes())
        monkeypatch.chdir(tmp_path)
        with pytest.raises(WeightsError, match="all weights must be inside"):
            load_network(folder)


class TestNetwork:
    def test_fuses_as_the_network_does(self, model):
        sources = stack()
        fused = PublishedNetwork(str(model))(sources)
        np.testing.assert_array_equal(fused.array, sources.max(axis=0))
        assert fused.info["model"] == "made"
        assert fused.info["model_licence"] == "Apache-2.0"
        assert fused.info["device"] == "cpu"
        assert "notes" not in fused.info

    def test_more_sources_go_pair_by_pair_with_a_note(self, model):
        sources = stack(4)
        fused = PublishedNetwork(str(model))(sources)
        np.testing.assert_array_equal(fused.array, sources.max(axis=0))
        assert "pair by pair" in fused.info["notes"][0]

    def test_network_of_any_number_takes_all_at_once(self, tmp_path):
        onnx = onnx_of(
            [node("ReduceMax", ["s", "axis"], ["fused"], keepdims=0)],
            [("axis", np.array([0], np.int64))],
            inputs=[("s", ("n", "b", 1, "y", "x"))],
        )
        folder = write_model(tmp_path / "any", onnx, input={"sources": "any", "layout": "stack"})
        sources = stack(3)
        fused = PublishedNetwork(str(folder))(sources)
        np.testing.assert_array_equal(fused.array, sources.max(axis=0))
        assert "notes" not in fused.info

    def test_too_few_sources_are_refused(self, tmp_path):
        onnx = onnx_of([node("Max", ["a", "b_", "c"], ["fused"])], inputs=two_inputs(("a", "b_", "c")))
        folder = write_model(
            tmp_path / "three", onnx, test=pair(n=3, rule=lambda a, b: a), input={"sources": 3}
        )
        with pytest.raises(WeightsError, match="test pair otherwise"):
            PublishedNetwork(str(folder))(stack(3))
        rng = np.random.default_rng(0).random((3, 8, 8), np.float32)
        np.savez(folder / "test.npz", sources=rng, fused=rng.max(axis=0))
        np.testing.assert_array_equal(PublishedNetwork(str(folder))(stack(3)).array, stack(3).max(axis=0))
        with pytest.raises(ParameterError, match="takes 3 sources, there are 2"):
            PublishedNetwork(str(folder))(stack(2))

    def test_range_mean_and_order_of_channels_reach_the_network(self, tmp_path):
        """(0.5 · 255 - 10, 60) / (2, 4) of the second source, as the card says."""
        pick = np.zeros((1, 6, 1, 1), np.float32)
        pick[0, 4] = 1  # the second channel of the second source
        onnx = onnx_of(
            [node("Conv", ["s", "w"], ["fused"])], [("w", pick)], inputs=[("s", ("b", 6, "y", "x"))]
        )
        given = {
            "layout": "channels",
            "channels": 3,
            "range": [0, 255],
            "mean": [10.0, 60.0, 0.0],
            "deviation": [2.0, 4.0, 1.0],
        }
        rule = lambda a, b: (255 * b - 60) / 4 / 100 + 0.2  # noqa: E731
        folder = write_model(tmp_path / "m", onnx, pair(rule), input=given, output={"range": [-20, 80]})
        sources = stack()
        fused = PublishedNetwork(str(folder))(sources).array
        np.testing.assert_allclose(fused, np.clip(rule(*sources), 0, 1), atol=1e-5)

    @pytest.mark.parametrize("padding", ["reflect", "edge", "zero"])
    @pytest.mark.parametrize("size", [(37, 53), (1, 5), (32, 32)])
    def test_slices_are_enlarged_to_what_the_network_takes_and_cut_again(self, tmp_path, padding, size):
        """A network that halves and doubles takes multiples of 16 only; its ends show what stood beyond."""
        seen = []
        folder = write_model(tmp_path / "m", input={"size_multiple": 16, "padding": padding})
        network = load_network(folder)
        draw = network._draw
        network._draw = lambda inputs: (seen.append(next(iter(inputs.values()))), draw(inputs))[1]
        sources = stack(2, 1, *size)
        np.testing.assert_array_equal(network(sources)[0], sources.max(axis=0)[0])
        height, width = (-(-one // 16) * 16 for one in size)
        assert seen[0].shape == (1, 1, height, width)
        if size[0] < height:
            beyond = seen[0][0, 0, size[0], 0]
            wanted = {
                "zero": 0,
                "edge": sources[0, 0, -1, 0],
                "reflect": sources[0, 0, max(size[0] - 2, 0), 0],
            }
            assert beyond == wanted[padding]

    def test_network_of_one_size_fuses_all_sizes_in_tiles(self, tmp_path):
        onnx = onnx_of(
            [node("Max", ["a", "b_"], ["fused"])],
            inputs=two_inputs(shape=(1, 1, 32, 32)),
            output=(1, 1, 32, 32),
        )
        folder = write_model(tmp_path / "m", onnx, pair(shape=(32, 32)), input={"size": [32, 32]})
        for size in ((20, 20), (32, 32), (33, 90), (100, 31)):
            sources = stack(2, 2, *size)
            np.testing.assert_allclose(
                PublishedNetwork(str(folder))(sources).array, sources.max(axis=0), atol=1e-6
            )
        assert check_model(folder) == []

    def test_fixed_number_of_slices_is_filled_up(self, tmp_path):
        onnx = onnx_of(
            [node("Max", ["a", "b_"], ["fused"])],
            inputs=two_inputs(shape=(4, 1, "y", "x")),
            output=(4, 1, "y", "x"),
        )
        folder = write_model(tmp_path / "m", onnx, test=None)
        network = load_network(folder)
        assert network.largest_batch == 4
        sources = stack(2, 6)
        np.testing.assert_array_equal(PublishedNetwork(str(folder))(sources).array, sources.max(axis=0))

    def test_three_channels_come_back_as_luma_or_as_colour(self, tmp_path):
        onnx = onnx_of(
            [node("Max", ["a", "b_"], ["fused"])],
            inputs=two_inputs(shape=("b", 3, "y", "x")),
            output=("b", 3, "y", "x"),
        )
        folder = write_model(tmp_path / "m", onnx, input={"channels": 3}, output={"colour": "all"})
        grey, colour = stack(), np.random.default_rng(2).random((2, 3, 9, 8, 3), np.float32)
        method = PublishedNetwork(str(folder))
        np.testing.assert_allclose(method(grey).array, grey.max(axis=0), atol=1e-6)
        np.testing.assert_array_equal(method.fuse_colour(colour).array, colour.max(axis=0))

    def test_colour_is_refused_by_a_grey_network(self, model):
        with pytest.raises(ParameterError, match="grey images only"):
            PublishedNetwork(str(model)).fuse_colour(np.zeros((2, 1, 4, 4, 3), np.float32))
        with pytest.raises(ParameterError, match=r"expected \(n, z, y, x, 3\)"):
            PublishedNetwork(str(model)).fuse_colour(np.zeros((2, 1, 4, 4), np.float32))

    def test_what_lies_outside_the_range_is_cut_and_said(self, tmp_path):
        onnx = onnx_of([node("Add", ["a", "b_"], ["fused"])])
        folder = write_model(tmp_path / "m", onnx, pair(np.add))
        fused = PublishedNetwork(str(folder))(stack())
        np.testing.assert_allclose(fused.array, np.clip(stack().sum(axis=0), 0, 1), atol=1e-6)
        assert any("lies outside the range" in note for note in fused.info["notes"])

    @pytest.mark.parametrize(
        ("nodes", "words"),
        [
            ([node("Div", ["a", "zero"], ["h"]), node("Add", ["h", "b_"], ["fused"])], "no numbers"),
            ([node("Concat", ["a", "b_"], ["fused"], axis=3)], "of the same size"),
        ],
    )
    def test_what_is_no_image_is_refused(self, tmp_path, nodes, words):
        onnx = onnx_of(nodes, [("zero", np.zeros(1, np.float32))], output=None)
        with pytest.raises(WeightsError, match=words):
            load_network(write_model(tmp_path / "m", onnx))

    def test_inputs_must_be_those_of_the_card(self, tmp_path):
        cases = [
            ({"names": ["a", "c"]}, None, "its inputs are a, b_; the card says 2: a, c"),
            ({"layout": "channels"}, None, "the card says 1"),
            (
                {},
                onnx_of([node("Max", ["a", "b_"], ["fused"])], inputs=two_inputs(shape=("b", "y", "x"))),
                "4 axes",
            ),
        ]
        for i, (wanted, onnx, words) in enumerate(cases):
            with pytest.raises(WeightsError, match=words):
                load_network(write_model(tmp_path / str(i), onnx, input=wanted))
        with pytest.raises(WeightsError, match="no output drawn; expected one of fused"):
            load_network(write_model(tmp_path / "out", output={"name": "drawn"}))

    def test_junk_is_no_network(self, tmp_path):
        with pytest.raises(WeightsError, match="ONNX Runtime cannot load it"):
            load_network(write_model(tmp_path / "m", b"junk"))

    def test_model_that_draws_its_test_pair_otherwise_is_refused(self, tmp_path):
        with pytest.raises(WeightsError, match="test pair otherwise"):
            load_network(write_model(tmp_path / "m", test=pair(np.minimum)))

    def test_changed_folder_is_loaded_anew(self, tmp_path):
        folder = write_model(tmp_path / "m")
        assert load_network(folder).card.name == "made"
        write_model(folder, name="other")
        assert load_network(folder).card.name == "other"

    def test_devices(self, model):
        with pytest.raises(ParameterError, match="expected auto, cpu, cuda"):
            PublishedNetwork(str(model), device="tpu")(stack())
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            with pytest.raises(DeviceError, match="onnxruntime-gpu"):
                PublishedNetwork(str(model), device="cuda")(stack())

    def test_cancelling_stops_within_a_slice(self, model):
        calls = []

        def stop(fraction, message):
            calls.append(fraction)
            if len(calls) == 2:
                raise Cancelled

        with pytest.raises(Cancelled):
            PublishedNetwork(str(model))(stack(depth=5), stop)
        assert len(calls) == 2

    def test_without_onnx_runtime_the_extra_is_named(self, model, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(DependencyError, match=r"medfuse\[onnx\]"):
            PublishedNetwork(str(model))(stack())


class TestTiles:
    @pytest.mark.parametrize("size", [(64, 64), (65, 130), (200, 64), (131, 97)])
    def test_a_network_that_sees_no_farther_than_a_quarter_of_the_overlap_shows_no_seam(self, tmp_path, size):
        folder = write_model(
            tmp_path / "m", blur(radius=3), self.blurred(3), input={"overlap": 16}, tolerance=1e-3
        )
        sources = stack(2, 2, *size)
        whole = PublishedNetwork(str(folder))(sources).array
        tiled = PublishedNetwork(str(folder), tile=40)(sources).array
        np.testing.assert_allclose(tiled, whole, atol=1e-6)

    def test_one_that_sees_farther_fades(self, tmp_path):
        """Beyond the edge of a tile the network sees zeros: a jump there would be a third of the range."""
        folder = write_model(
            tmp_path / "m", blur(radius=12), self.blurred(12), input={"overlap": 32}, tolerance=1e-3
        )
        sources = np.ones((2, 1, 160, 160), np.float32)
        tiled = PublishedNetwork(str(folder), tile=80)(sources).array[0]
        inner = tiled[30:-30, 30:-30]
        assert inner.min() < 0.999  # it does see farther
        assert np.abs(np.diff(inner, axis=0)).max() < 0.02

    @staticmethod
    def blurred(radius):
        from scipy.ndimage import uniform_filter

        return pair(lambda a, b: uniform_filter((a + b) / 2, 2 * radius + 1, mode="constant"))

    @given(st.integers(8, 300), st.integers(8, 64), st.integers(0, 7))
    def test_every_pixel_lies_in_a_tile_and_neighbours_overlap(self, length, tile, overlap):
        tile = min(tile, length)
        starts = starts_of(length, tile, overlap)
        assert starts[0] == 0
        assert starts[-1] + tile == length
        assert all(before + tile - after >= overlap for before, after in pairwise(starts))
        assert len(starts) == len(set(starts))

    @pytest.mark.parametrize("overlap", [0, 1, 2, 7])
    def test_shares_add_up_for_any_overlap(self, overlap):
        sources = stack(2, 1, 50, 61)
        joined = in_tiles(lambda tiles: tiles[0], sources, (17, 23), overlap)
        np.testing.assert_allclose(joined, sources[0], atol=1e-6)

    def test_short_memory_makes_tiles_and_says_so(self, model, monkeypatch):
        """A stand-in for a small machine: images of more than 100×100 pixels do not fit."""
        network = load_network(model)
        draw = network._draw

        def small(inputs):
            if next(iter(inputs.values())).shape[-1] > 100:
                raise RuntimeError("Failed to allocate memory for requested buffer of size 25600000000")
            return draw(inputs)

        monkeypatch.setattr(network, "_draw", small)
        sources = stack(2, 2, 150, 300)
        fused = PublishedNetwork(str(model))(sources)
        np.testing.assert_allclose(fused.array, sources.max(axis=0), atol=1e-6)
        assert fused.info["notes"] == ["fused in tiles of 75 pixels: whole slices did not fit into memory"]

    def test_too_little_memory_for_the_smallest_tile_is_one_line(self, model, monkeypatch):
        def none(inputs):
            raise MemoryError

        monkeypatch.setattr(load_network(model), "_draw", none)
        with pytest.raises(DeviceError, match="a slice of 53×37 does not fit into the memory of cpu"):
            PublishedNetwork(str(model))(stack())

    @pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
    def test_real_lack_of_memory(self, tmp_path):
        """One convolution with 64 channels of a large slice, in an address space that is too small for it."""
        kernel = np.full((64, 2, 3, 3), 1 / 18, np.float32)
        nodes = [
            node("Concat", ["a", "b_"], ["both"], axis=1),
            node("Conv", ["both", "w"], ["many"], pads=[1] * 4),
            node("Conv", ["many", "v"], ["fused"]),
        ]
        weights = [("w", kernel), ("v", np.full((1, 64, 1, 1), 1 / 64, np.float32))]
        onnx = onnx_of(nodes, weights)
        folder = write_model(tmp_path / "m", onnx, self.blurred(1), input={"overlap": 16}, tolerance=1e-3)
        script = f"""
import numpy as np, resource
from medfuse.fusion.networks.published import PublishedNetwork
method = PublishedNetwork({str(folder)!r}, device="cpu")
method.prepare()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (180 << 20),) * 2)
fused = method(np.ones((2, 1, 1024, 1024), np.float32))
print(fused.info["notes"], fused.array[0, 100, 100])
"""
        run = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert "pixels: whole slices did not fit into memory" in run.stdout, run.stderr
        assert "1.0" in run.stdout


class TestOrder:
    def test_modalities_decide(self, model):
        method, notes = PublishedNetwork(str(model)).for_modalities(("MR", "CT"))
        assert (method.order, notes) == ("2,1", ())
        assert PublishedNetwork(str(model)).for_modalities(("CT", "MR"))[0].order == "1,2"

    def test_equal_modalities_stay_in_their_order(self, tmp_path):
        folder = write_model(tmp_path / "m", modalities=[["MR", "CT", "MR"]])
        assert PublishedNetwork(str(folder)).for_modalities(("MR", "MR", "CT"))[0].order == "1,3,2"

    def test_others_are_noted(self, model):
        method, notes = PublishedNetwork(str(model)).for_modalities(("CT", "PT"))
        assert method.order == "auto"
        assert "is for CT+MR; these sources are CT+PT" in notes[0]

    def test_order_that_was_given_wins(self, model):
        method = PublishedNetwork(str(model), order="1,2")
        assert method.for_modalities(("MR", "CT")) == (method, ())

    def test_order_reaches_the_network(self, tmp_path):
        onnx = onnx_of(
            [
                node("Identity", ["a"], ["h"]),
                node("Mul", ["b_", "zero"], ["n"]),
                node("Add", ["h", "n"], ["fused"]),
            ],
            [("zero", np.zeros(1, np.float32))],
        )
        folder = write_model(tmp_path / "m", onnx, pair(lambda a, b: a))
        for order, index in (("1,2", 0), ("2,1", 1), ("auto", 0)):
            fused = PublishedNetwork(str(folder), order=order)(stack())
            np.testing.assert_array_equal(fused.array, stack()[index])

    @pytest.mark.parametrize("order", ["1", "1,1", "1,2,3", "0,1", "2;1", ""])
    def test_wrong_order_is_refused(self, model, order):
        with pytest.raises(ParameterError, match="order="):
            PublishedNetwork(str(model), order=order)(stack())

    def test_volumes_bring_their_modalities(self, tmp_path):
        onnx = onnx_of(
            [node("Mul", ["b_", "zero"], ["n"]), node("Add", ["a", "n"], ["fused"])],
            [("zero", np.zeros(1, np.float32))],
        )
        folder = write_model(tmp_path / "m", onnx, pair(lambda a, b: a))
        geometry = sample_study(("ct",)).volumes["ct"].geometry
        drawn = np.random.default_rng(3).random((2, *geometry.shape), np.float32)
        ct, mr = (Volume(one, geometry, name) for one, name in zip(drawn, ("CT", "MR"), strict=True))
        fused = fuse([mr, ct], "network", parameters={"model": str(folder)})
        np.testing.assert_allclose(fused.array, ct.array, atol=1e-6)


class TestEverywhere:
    def test_a_study_records_the_model_and_refuses_early(self, model, tmp_path):
        from medfuse import write_volume

        volumes = sample_study(("ct", "t1")).volumes
        paths = {name: tmp_path / f"{name}.nii.gz" for name in volumes}
        for name, path in paths.items():
            write_volume(volumes[name], path)
        study = Study(paths["ct"], [paths["t1"]])
        recipe = Recipe(method="network", parameters={"model": str(model)}, registration="none")
        result = run_study(study, recipe)
        assert result.fused.info["model"] == "made"
        np.testing.assert_allclose(result.fused.array, result.sources.array.max(axis=0), atol=1e-6)
        with pytest.raises(ParameterError, match="needs a model: -p model=FOLDER"):
            run_study(study, Recipe(method="network"))

    def test_batches_notice_another_model(self, model):
        before = digests_of(PublishedNetwork(str(model)))
        write_model(model, name="other")
        assert before != digests_of(PublishedNetwork(str(model)))
        assert digests_of(PublishedNetwork()) == {}

    def test_check_before_work(self, tmp_path):
        with pytest.raises(MedfuseError, match="does not exist"):
            check_weights(PublishedNetwork(str(tmp_path / "none")))


class TestCheck:
    def test_right_model(self, model):
        assert check_model(model) == []

    def test_wrong_test_pair(self, tmp_path):
        assert (
            "draws its sources otherwise"
            in check_model(write_model(tmp_path / "m", test=pair(np.minimum)))[0]
        )

    def test_random_numbers(self, tmp_path):
        onnx = onnx_of(
            [
                node("Max", ["a", "b_"], ["m"]),
                node("RandomUniformLike", ["m"], ["r"], low=0.0, high=0.05),
                node("Add", ["m", "r"], ["fused"]),
            ]
        )
        problems = check_model(write_model(tmp_path / "m", onnx, tolerance=0.01))
        assert any("two runs on the same images differ" in one for one in problems)

    def test_slices_that_depend_on_one_another(self, tmp_path):
        onnx = onnx_of(
            [
                node("Max", ["a", "b_"], ["m"]),
                node("ReduceMax", ["m"], ["top"], keepdims=1),
                node("Div", ["m", "top"], ["fused"]),
            ]
        )
        folder = write_model(
            tmp_path / "m", onnx, pair(lambda a, b: np.maximum(a, b) / np.maximum(a, b).max())
        )
        assert "two slices at once" in check_model(folder)[0]

    def test_size_multiple_that_is_too_small(self, tmp_path):
        pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
        onnx = onnx_of(
            [
                node("Max", ["a", "b_"], ["m"]),
                node("AveragePool", ["m"], ["h"], **pool),
                node("Resize", ["h", "", "scales"], ["fused"], mode="nearest"),
            ],
            [("scales", np.array([1, 1, 2, 2], np.float32))],
        )

        def halved(a, b):
            top = np.maximum(a, b)
            return np.kron(top.reshape(12, 2, 10, 2).mean(axis=(1, 3)), np.ones((2, 2)))

        wrong, right = (
            write_model(tmp_path / str(n), onnx, pair(halved), input={"size_multiple": n}) for n in (1, 2)
        )
        assert "is the card's size_multiple right?" in check_model(wrong)[0]
        assert check_model(right) == []

    def test_nothing_there(self, tmp_path):
        with pytest.raises(ReadError):
            check_model(tmp_path / "none")

    def test_words(self, model, tmp_path):
        run = CliRunner().invoke(app, ["model", "check", str(model)])
        assert run.exit_code == 0
        assert "made: fuses 2 sources; draws its test pair as it should" in run.output
        assert "licence: Apache-2.0" in run.output
        (model / "test.npz").write_bytes(pack_test(pair(np.minimum)))
        run = CliRunner().invoke(app, ["model", "check", str(model)])
        assert isinstance(run.exception, WeightsError)
        assert "wrong: test.npz" in run.output
