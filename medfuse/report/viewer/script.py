"""The modules of JavaScript as one script inside the page, and the policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

__all__ = ["content_policy", "script_text", "style_text"]

_MODULES = ("blocks", "colours", "planes", "compose", "layers", "view", "plots", "app")
"""In the order in which they need one another; the last one starts the viewer."""


@cache
def script_text() -> str:
    """All modules joined: their ``import`` lines go, ``export`` loses its meaning.

    One scope holds them all, so that names at their top level are unique; a test sees to it.
    """
    folder = files("medfuse.report.viewer")
    texts = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in _MODULES]
    joined = "\n".join(
        re.sub(r"^(import .*\n|export (?=\w))", "", text, flags=re.MULTILINE) for text in texts
    )
    return f'"use strict";\n(() => {{\n{joined}}})();\n'


@cache
def style_text() -> str:
    """The style sheet of the viewer."""
    return (files("medfuse.report.viewer") / "viewer.css").read_text(encoding="utf-8")


def content_policy() -> str:
    """The Content-Security-Policy of the page: its own script and its own pictures, no request at all."""
    digest = base64.b64encode(hashlib.sha256(script_text().encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
