"""Sentences for the methods section of a paper, with what to cite, from the provenance of a result."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from ..fusion import METHODS
from ..metrics import METRICS

__all__ = ["bibtex", "methods_text", "repeat_command"]

_DOI = re.compile(r"\b(?:doi:)?(10\.\d{4,}/[^\s,;]+[^\s,;.])")
_KINDS = {
    "rigid": "rigidly",
    "similarity": "by a similarity transform",
    "affine": "by an affine transform",
    "deformable": "by a rigid and then a deformable transform",
    "none": "by a transform that was given",
}


def methods_text(facts: Mapping[str, Any]) -> str:
    """What was done, in sentences that a reader may copy; figures as they stand in the provenance."""
    inputs, versions = facts["inputs"], facts["versions"]
    first, *others = [one["role"] for one in inputs]
    moving = " and ".join(others)
    verb = "was" if len(others) == 1 else "were"
    lines = [
        f"{_capital(moving)} {verb} registered to {first} {_registered(facts)} and resampled onto its grid "
        f"({_size(facts)}; {facts['recipe']['interpolation']} interpolation).",
        f"Intensities were mapped to [0, 1] by these windows: {'; '.join(_window(one) for one in inputs)}.",
    ]
    if "method" in facts:
        lines += _fusion(facts)
    program = f"medfuse {facts['medfuse']} (SimpleITK {versions['SimpleITK']}, NumPy {versions['numpy']}"
    torch = f", PyTorch {versions['torch']}" if "torch" in versions and "method" in facts else ""
    return " ".join([*lines, f"All was done by {program}{torch}; seed {facts['recipe']['seed']})."])


def bibtex(facts: Mapping[str, Any]) -> str:
    """Entries for medfuse, the method and the metrics, as far as their sources are known."""
    cited = {"medfuse": f"medfuse {facts['medfuse']}: medical image fusion in correct geometry"}
    if "method" in facts:
        cited[facts["method"]["key"]] = _source(facts["method"]["key"])
        cited |= {key: METRICS[key].reference for key in facts.get("metrics", {}) if key in METRICS}
    return "\n".join(_entry(key, text) for key, text in cited.items() if text)


def repeat_command(facts: Mapping[str, Any]) -> str:
    """What repeats the run, in the folder of the result; the files are not named in it."""
    fixed, *moving = ["FIXED", *(f"MOVING_{i + 1}" for i in range(len(facts["inputs"]) - 1))]
    command = "fuse" if "method" in facts else "register"
    return f"medfuse {command} {fixed} {' '.join(moving)} --recipe recipe.toml -o again"


def _fusion(facts: Mapping[str, Any]) -> list[str]:
    method = facts["method"]
    key = method["key"]
    plain = {name: value for name, value in method["parameters"].items() if not isinstance(value, dict)}
    values = ", ".join(f"{name} {value}" for name, value in plain.items() if value != "")
    source = _source(key)
    names = [f"{one['name']}" for one in facts.get("metrics", {}).values()]
    return [
        f"The volumes were fused slice by slice by the method {key}"
        f"{f' ({source})' if source else ''}{f' with {values}' if values else ''}.",
        *([f"Quality was measured by {', '.join(names)}."] if names else []),
    ]


def _registered(facts: Mapping[str, Any]) -> str:
    kinds = dict.fromkeys(_KINDS.get(one["kind"], one["kind"]) for one in facts["registrations"])
    verdicts = dict.fromkeys(one["verdict"] for one in facts["registrations"])
    return f"{' and '.join(kinds)} (verdict: {', '.join(verdicts)})"


def _size(facts: Mapping[str, Any]) -> str:
    grid = facts["grid"]
    size = "×".join(str(n) for n in grid["size"])
    spacing = "×".join(f"{mm:.3g}" for mm in grid["spacing"])
    return f"{size} voxels of {spacing} mm"


def _window(one: Mapping[str, Any]) -> str:
    return f"{one['role']} {one['window']}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _source(key: str) -> str:
    """The source that the method's own documentation names."""
    if key not in METHODS:
        return ""
    _, found, source = (inspect.getdoc(METHODS[key]) or "").partition("Source: ")
    return " ".join(source.split("\n\n")[0].split()).rstrip(".") if found else ""


def _entry(key: str, text: str) -> str:
    doi = _DOI.search(text)
    fields = [f"  note = {{{_escaped(text)}}}"]
    if doi:
        fields.append(f"  doi = {{{doi[1]}}}")
    return f"@misc{{{key.replace('_', '-')},\n" + ",\n".join(fields) + "\n}"


def _escaped(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text)
