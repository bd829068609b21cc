"""What the files about dependencies and packing say agrees."""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_TRIED_OLD = {"torch", "torchvision"}  # older releases take gigabytes


def pinned(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {
        canonicalize_name(one.name): Version(str(one.specifier).removeprefix("=="))
        for one in requirements
        if one.marker is None or one.marker.evaluate()
    }


def minima(requirements):
    for one in map(Requirement, requirements):
        lowest = [Version(part.version) for part in one.specifier if part.operator == ">="]
        if (one.marker is None or one.marker.evaluate()) and lowest:
            yield canonicalize_name(one.name), lowest[0]


def test_the_oldest_versions_are_those_that_are_tested():
    oldest = pinned("constraints-oldest.txt")
    for name, lowest in minima(PROJECT["dependencies"]):
        if name in NOT_TRIED_OLD or name == "tomli":  # tomli: of Python 3.10 only
            continue
        assert oldest[name] == lowest, f"constraints-oldest.txt and pyproject.toml differ in {name}"


def test_every_dependency_is_pinned():
    newest = pinned("constraints.txt")
    extras = [one for lines in PROJECT["optional-dependencies"].values() for one in lines]
    for name, lowest in minima([*PROJECT["dependencies"], *extras]):
        assert newest[name] >= lowest, f"constraints.txt pins {name} below what pyproject.toml asks"
