"""A PyTorch network of the user's own as a model folder, by ``medfuse model export``."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

for _package in ("onnxruntime", "onnx", "onnxscript"):
    pytest.importorskip(_package, reason="needs the extra onnx")

from medfuse.cli import app  # noqa: E402
from medfuse.errors import ParameterError, ReadError, WeightsError, WriteError  # noqa: E402
from medfuse.fusion.networks.published import PublishedNetwork  # noqa: E402
from medfuse.models import export_model, load_network, read_bundle  # noqa: E402

PAGE = Path(__file__).parents[1] / "docs" / "own-network.md"

MODULE = """
    import torch
    from torch import nn

    class Small(nn.Module):
        '''Two sources of one channel; halves and doubles, as the cards in the documentation allow for.'''

        def __init__(self, width=4):
            super().__init__()
            self.first = nn.Conv2d(2, width, 3, padding=1)
            self.last = nn.Conv2d(width, 1, 3, padding=1)

        def forward(self, one, other):
            seen = torch.relu(self.first(torch.cat((one, other), dim=1)))
            seen = nn.functional.interpolate(nn.functional.avg_pool2d(seen, 2), scale_factor=2)
            return torch.sigmoid(self.last(seen) + one - other)

    class Channels(Small):
        def forward(self, both):
            return super().forward(both[:, :1], both[:, 1:])

    class Random(Small):
        def forward(self, one, other):
            return super().forward(one, other) + torch.rand_like(one)
"""

CARD = """
format = 1
name = "small"
licence = "Apache-2.0"
citation = "nobody, 2026"

[input]
size_multiple = 2
overlap = 16
"""


@pytest.fixture
def made(tmp_path):
    """A module, its weights and a card, as a user has them."""
    (tmp_path / "mine.py").write_text(textwrap.dedent(MODULE), encoding="utf-8")
    (tmp_path / "card.toml").write_text(CARD, encoding="utf-8")
    torch.save(state(), tmp_path / "weights.pth")
    return tmp_path


def state(width=4):
    """Random weights of Small."""
    generator = torch.Generator().manual_seed(1)
    shapes = {
        "first.weight": (width, 2, 3, 3),
        "first.bias": (width,),
        "last.weight": (1, width, 3, 3),
        "last.bias": (1,),
    }
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def network(made, kind="Small", **arguments):
    """The same network in PyTorch, for comparison."""
    held = {}
    exec(compile((made / "mine.py").read_text(), "mine", "exec"), held)  # the module written above
    built = held[kind](**arguments)
    built.load_state_dict(state(**arguments))
    return built.eval()


@pytest.mark.parametrize(("kind", "layout"), [("Small", "separate"), ("Channels", "channels")])
def test_folder_fuses_as_the_network_in_pytorch(made, kind, layout):
    (made / "card.toml").write_text(CARD + f'layout = "{layout}"\n', encoding="utf-8")
    folder = export_model(
        made / "weights.pth", f"{made / 'mine.py'}:{kind}", made / "card.toml", made / "out"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["medfuse-model.toml", "model.onnx", "test.npz"]
    sources = np.random.default_rng(5).random((2, 3, 40, 54), np.float32)
    with torch.inference_mode():
        one, other = torch.from_numpy(sources[:, :, None])
        wanted = network(made)(one, other)[:, 0].numpy()
    np.testing.assert_allclose(PublishedNetwork(str(folder))(sources).array, wanted, atol=1e-5)


def test_command_with_arguments_and_an_entry(made):
    torch.save({"net": state(width=6), "epoch": torch.tensor(3)}, made / "weights.pth")
    words = ["model", "export", str(made / "weights.pth"), f"{made / 'mine.py'}:Small"]
    words += ["--card", str(made / "card.toml"), "-o", str(made / "out")]
    words += ["--arguments", json.dumps({"width": 6}), "--entry", "net"]
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.exception
    assert "checked and written" in run.output
    assert read_bundle(made / "out").card.name == "small"


def test_network_that_draws_random_numbers_is_not_written(made):
    with pytest.raises(WeightsError, match="fails its check"):
        export_model(made / "weights.pth", f"{made / 'mine.py'}:Random", made / "card.toml", made / "out")
    assert not (made / "out").exists()
    assert sorted(path.name for path in made.iterdir() if path.name != "__pycache__") == [
        "card.toml",
        "mine.py",
        "weights.pth",
    ]


class TestRefused:
    def run(self, made, kind="Small", **how):
        return export_model(
            made / "weights.pth", f"{made / 'mine.py'}:{kind}", made / "card.toml", made / "out", **how
        )

    def test_folder_that_exists(self, made):
        (made / "out").mkdir()
        with pytest.raises(WriteError, match="exists already"):
            self.run(made)

    def test_weights_of_another_network(self, made):
        torch.save(state(width=5), made / "weights.pth")
        with pytest.raises(WeightsError, match="belong to another network"):
            self.run(made)

    def test_pickled_network(self, made):
        torch.save(torch.nn.Conv2d(1, 1, 1), made / "weights.pth")
        with pytest.raises(WeightsError, match="cannot be read as weights"):
            self.run(made)

    def test_entry_that_is_not_there(self, made):
        with pytest.raises(WeightsError, match="holds something else than named tensors"):
            self.run(made, entry="net")

    @pytest.mark.parametrize(
        ("network", "error", "words"),
        [
            ("mine", ParameterError, "expected package.module:Class"),
            ("medfuse.no_such_module:Small", ParameterError, "cannot be built: ModuleNotFoundError"),
            ("medfuse.errors:Nothing", ParameterError, "cannot be built: AttributeError"),
            ("none.py:Small", ReadError, "does not exist"),
        ],
    )
    def test_class_that_is_not_there(self, made, network, error, words):
        with pytest.raises(error, match=words):
            export_model(made / "weights.pth", network, made / "card.toml", made / "out")

    def test_wrong_arguments(self, made):
        with pytest.raises(ParameterError, match="cannot be built: TypeError"):
            self.run(made, arguments={"height": 3})

    def test_card_that_is_wrong(self, made):
        (made / "card.toml").write_text(CARD + "channels = 9\n")
        with pytest.raises(WeightsError, match="expected 1 or 3"):
            self.run(made)
        (made / "card.toml").write_text("= 3")
        with pytest.raises(WeightsError, match="cannot be read as a card"):
            self.run(made)

    @pytest.mark.parametrize("words", ["[1]", "{", "[" * 20000])
    def test_arguments_that_are_no_json_object(self, made, words):
        run = CliRunner().invoke(
            app, ["model", "export", "w.pth", "m:C", "--card", "c", "-o", "o", "--arguments", words]
        )
        assert isinstance(run.exception, ParameterError)


def cards_of_the_page():
    return re.findall(r"```toml\n(format = 1\n.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.long
def test_the_cards_of_the_page_run_a_network_of_that_interface(made):
    """The published weights cannot be had here: a small network with the same inputs stands for each."""
    cards = cards_of_the_page()
    assert len(cards) == 2
    for i, card in enumerate(cards):
        (made / "card.toml").write_text(card, encoding="utf-8")
        out = made / f"out{i}"
        export_model(made / "weights.pth", f"{made / 'mine.py'}:Small", made / "card.toml", out)
        known = load_network(out).card
        method, notes = PublishedNetwork(str(out)).for_modalities(("MR", "CT"))
        assert (method.order, notes) == ("2,1", ()), known.name
        assert method(np.random.default_rng(1).random((2, 2, 33, 47), np.float32)).array.shape == (2, 33, 47)
