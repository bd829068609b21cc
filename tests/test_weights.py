"""Weights: found, fetched and read only if they are what was published; else a message that helps."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from medfuse import weights
from medfuse.cli import app, main
from medfuse.errors import Cancelled, UnknownNameError, WeightsError
from medfuse.weights import (
    WEIGHTS,
    Weights,
    download_weights,
    find_weights,
    load_weights,
    lookup_folders,
    read_state,
)

CONTENT = b"these are no real weights" * 100_000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """A publisher on this machine: its folder and its address."""
    folder = tmp_path / "published"
    folder.mkdir()
    service = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=service.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{service.server_port}"
    service.shutdown()
    thread.join()
    service.server_close()


@pytest.fixture
def toy(server, monkeypatch):
    """One entry in the table, ``toy``, that the local publisher offers."""
    folder, address = server
    (folder / "toy.pth").write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    one = Weights("toy", f"{address}/toy.pth", digest, 2.4, "not stated", "nobody")
    for module in (weights, weights.table):
        monkeypatch.setattr(module, "WEIGHTS", {"toy": one})
    return one


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every lookup happens below the test's own folder."""
    monkeypatch.setenv("MEDFUSE_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "mine"


def names_in(folder):
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_entry_is_complete(name):
    one = WEIGHTS[name]
    assert one.name == name
    assert one.url.startswith("https://")
    assert re.fullmatch("[0-9a-f]{8}|[0-9a-f]{64}", one.sha256)
    assert one.file
    assert one.megabytes > 0
    assert one.licence
    assert re.search(r"doi:10\.|arXiv:", one.citation)


def test_short_digests_are_those_in_the_publishers_file_names():
    short = [one for one in WEIGHTS.values() if len(one.sha256) == 8]
    assert short
    assert all(one.file.endswith(f"-{one.sha256}.pth") for one in short)


def test_torchvision_entries_are_its_own():
    from medfuse.fusion.networks.torchvision_operators import import_torchvision

    torchvision = import_torchvision()
    ours = [one for one in WEIGHTS.values() if "pytorch.org" in one.url]
    assert ours
    for one in ours:
        theirs = torchvision.models.get_model_weights(one.name).IMAGENET1K_V1
        assert theirs.url == one.url
        assert theirs.meta["_file_size"] == pytest.approx(one.megabytes, abs=0.06)


def test_the_named_folder_comes_before_the_cache(home, monkeypatch):
    assert lookup_folders()[0] == home
    assert len(lookup_folders()) == 2
    monkeypatch.delenv("MEDFUSE_WEIGHTS")
    assert lookup_folders() == [lookup_folders()[-1]]
    assert "medfuse" in str(lookup_folders()[0])


def test_missing_weights_say_how_to_get_them(home):
    with pytest.raises(WeightsError) as error:
        find_weights("vgg19")
    text = str(error.value)
    for part in ("medfuse weights get vgg19", "vgg19-dcbb9e9d.pth", str(home), "MEDFUSE_WEIGHTS", "548"):
        assert part in text
    assert "\n" not in text


def test_unknown_weights_are_named_with_the_choices():
    with pytest.raises(UnknownNameError, match="squeezenet1_0"):
        find_weights("squeezenet")


def test_looking_for_weights_downloads_nothing(toy, home):
    with pytest.raises(WeightsError):
        find_weights("toy")
    assert names_in(home) == []


def test_download_gives_the_published_file_whole_and_nothing_else(toy, home):
    seen = []
    path = download_weights("toy", lambda fraction, message: seen.append((fraction, message)))
    assert path == home / "toy.pth"
    assert path.read_bytes() == CONTENT
    assert names_in(home) == ["toy.pth"]
    assert find_weights("toy") == path
    assert [f for f, _ in seen] == sorted(f for f, _ in seen)
    assert seen[-1] == (1.0, "fetching toy")


def test_what_is_there_is_not_fetched_again(toy, home, server):
    download_weights("toy")
    (server[0] / "toy.pth").unlink()
    assert download_weights("toy").read_bytes() == CONTENT


def test_found_in_the_cache_if_not_in_the_named_folder(toy, home):
    cache = lookup_folders()[1]
    cache.mkdir(parents=True)
    (cache / "toy.pth").write_bytes(CONTENT)
    assert find_weights("toy") == cache / "toy.pth"


def test_a_changed_file_is_not_kept(toy, home, server):
    (server[0] / "toy.pth").write_bytes(CONTENT + b"!")
    with pytest.raises(WeightsError, match=r"expected .*not kept"):
        download_weights("toy")
    assert names_in(home) == []


def test_an_absent_file_is_an_error_that_says_what_to_do(toy, home, server):
    (server[0] / "toy.pth").unlink()
    with pytest.raises(WeightsError, match=r"404.*copy toy\.pth"):
        download_weights("toy")
    assert names_in(home) == []


def test_a_damaged_file_is_replaced_by_download_and_refused_by_find(toy, home):
    home.mkdir()
    (home / "toy.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"not the published file.*medfuse weights get toy"):
        find_weights("toy")
    assert download_weights("toy").read_bytes() == CONTENT


def test_cancelling_leaves_nothing_behind(toy, home):
    def cancel(fraction, message):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        download_weights("toy", cancel)
    assert names_in(home) == []


def test_an_unwritable_folder_is_an_error(toy, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MEDFUSE_WEIGHTS", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="could not be fetched into"):
        download_weights("toy")


def test_reads_named_tensors(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pth")
    assert torch.equal(read_state(tmp_path / "good.pth")["a"], torch.ones(2))


class Hostile:
    """Unpickling this would call print."""

    def __reduce__(self):
        return print, ("code ran",)


@pytest.mark.parametrize("content", [Hostile(), [1, 2], {"a": 3}])
def test_refuses_whatever_is_not_named_tensors(content, tmp_path, capsys):
    torch.save(content, tmp_path / "bad.pth")
    with pytest.raises(WeightsError, match=r"bad\.pth.*state dict"):
        read_state(tmp_path / "bad.pth")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"plain text", b"PK\x03\x04 a broken zip"])
def test_refuses_files_that_are_no_weights(content, tmp_path):
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.pth"):
        read_state(tmp_path / "bad.pth")


def test_damage_anywhere_is_an_error_of_ours_or_does_not_matter(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pth")
    good = (tmp_path / "good.pth").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        bad = bytearray(good[: rng.integers(1, len(good) + 1)])
        for place in rng.integers(0, len(bad), 3):
            bad[place] = rng.integers(256)
        (tmp_path / "bad.pth").write_bytes(bad)
        try:
            assert isinstance(read_state(tmp_path / "bad.pth"), dict)
        except WeightsError:
            refused += 1
    assert refused > 100


def test_are_read_once_and_again_when_they_change(tmp_path, monkeypatch):
    """A batch uses the same weights for one study after the other."""
    reads = []
    monkeypatch.setattr(weights.state, "read_state", lambda path: reads.append(path) or read_state(path))
    path = tmp_path / "own.pt"
    torch.save({"a": torch.zeros(3)}, path)
    first, facts = load_weights("vgg19", str(path))
    again, same = load_weights("vgg19", str(path))
    assert len(reads) == 1
    assert first["a"] is again["a"]
    assert facts == same
    again.clear()
    torch.save({"a": torch.ones(4)}, path)
    changed, other = load_weights("vgg19", str(path))
    assert changed["a"].tolist() == [1, 1, 1, 1]
    assert other["weights_sha256"] != facts["weights_sha256"]


def test_refuses_a_path_that_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.pth"):
        read_state(tmp_path / "none.pth")


def run(*words):
    return CliRunner().invoke(app, ["weights", *words])


def test_command_lists_licences_and_what_is_here(monkeypatch, home):
    home.mkdir()
    (home / "IFCNN-MAX.pth").write_bytes(b"anything")
    lines = run("list").output.splitlines()
    assert len(lines) == len(WEIGHTS)
    line = next(line for line in lines if line.startswith("ifcnn-max"))
    assert "here" in line
    assert "licence: not stated" in line
    assert "missing" in next(line for line in lines if line.startswith("vgg19"))


def test_command_gets_and_verifies(toy, home):
    result = run("get", "toy", "--progress", "none")
    assert result.exit_code == 0
    assert result.output.strip() == str(home / "toy.pth")
    assert "toy: ok" in run("verify").output
    (home / "toy.pth").write_bytes(b"damaged")
    result = run("verify", "toy")
    assert isinstance(result.exception, WeightsError)
    assert "not the published file" in result.output


def test_command_refuses_a_wrong_name_before_it_fetches(toy, home):
    result = run("get", "toy", "tpy", "--progress", "none")
    assert isinstance(result.exception, UnknownNameError)
    assert names_in(home) == []


def test_command_shows_the_folders(home):
    assert run("path").output.splitlines()[0] == str(home)


def test_errors_end_with_one_line_and_code_2(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["medfuse", "weights", "verify", "vgg19"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_importing_weights_imports_neither_torch_nor_pooch():
    code = "import sys, medfuse.weights; print(sorted({'torch', 'pooch', 'requests'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
