"""Messages without identity: patients' names often stand in paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ...io.files import files_below, one_line

__all__ = ["redacted"]

_LIMIT = 600
_PART = r"(?:(?!\shttps?://)[^/\\:;,'\"<>])+"  # a name may hold blanks; an address after it is none of it
_SUFFIX = (
    r"\.(?:nii|gz|nrrd|nhdr|mh[ad]|mg[hz]|dcm|tfm|h5|mat|txt|lta|dat|f?csv|tsv|json|toml|png|tiff?|jpe?g|zip)"
)
_PATH = re.compile(
    r"(https?://\S+)|(?<![\w.>])(?:[A-Za-z]:)?[/\\](?!\s)(?:"
    rf"(?:{_PART}[/\\])*?{_PART}?{_SUFFIX}(?!\w|\.\w)(?![^:;,'\"<>]*[/\\])"  # what follows is no path
    rf"|{_PART}(?:[/\\]{_PART})*[/\\]?)"
)
"""A path, or as its first group an address on the web, which tells where to get something."""
_UID = re.compile(r"\b[0-9]+(?:\.[0-9]+){4,}\b")


def redacted(message: str, paths: Sequence[Path]) -> str:
    """``message`` on one line, with roles for the study's files, and without paths and DICOM UIDs.

    Parameters
    ----------
    message:
        Of an error.
    paths:
        The study's, the fixed volume first.
    """
    roles = ["<fixed>", *(f"<moving {i}>" if len(paths) > 2 else "<moving>" for i in range(1, len(paths)))]
    text = one_line(message, 10 * _LIMIT)
    named = sorted(zip(map(str, paths), roles, strict=True), key=lambda pair: -len(pair[0]))
    for path, role in named:
        # Below a folder, up to what ends a path in a message; a name may hold blanks.
        text = re.sub(re.escape(path) + r"(?:[/\\][^:;,'\"]*)?", role, text)
    text = _PATH.sub(lambda found: found[1] or "<path>", text)
    for name in sorted((name for name in _names(paths) if name in text), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "<file>", text)
    return one_line(_UID.sub("<uid>", text), _LIMIT)


def _names(paths: Sequence[Path]) -> set[str]:
    """Names of the study's files and folders; short ones that are words of messages too are left out."""
    names = {part for path in paths for part in (path.name, path.parent.name)}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        names |= {file.name for file in files_below(folder)} if folder.is_dir() else set()
    return {name for name in names if len(name) > 3 or not name.isalpha()} - {""}
