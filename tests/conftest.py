"""What all tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before torch is loaded: workers that run side by side must not fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("medfuse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("medfuse")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Find real data by its path below the shared data folder, or skip and say what is missing.

    The folder is ``$MEDFUSE_TEST_DATA``, or ``../shared/data`` beside the repository.
    """
    root = Path(os.environ.get("MEDFUSE_TEST_DATA") or REPOSITORY.parent / "shared" / "data")

    def find(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            pytest.skip(f"needs the real data {relative} under $MEDFUSE_TEST_DATA or ../shared/data")
        return path

    return find


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Headless Chromium as Debian has it."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("needs chromium and chromedriver (Debian: apt install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync", "window-size=1300,1000",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    one = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield one
    one.quit()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none, and what takes minutes unless asked for."""
    long_asked = "long" in (config.option.markexpr or "")
    for item in items:
        if "long" in item.keywords and not long_asked:
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with -m long"))
        if "gpu" in item.keywords and not _has_cuda():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()
