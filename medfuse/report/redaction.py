"""Words without identity, for what is written: names of files and folders often name the patient.

Where a message or note is made, what a file is called, and what a header says in words, is marked
(:func:`medfuse.io.files.named`); here it is taken out, with all paths and names that are known of a study.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ..io.files import MARKED, files_below, one_line

__all__ = ["Redaction"]

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
_TAIL = r"(?:[/\\][^:;,'\"]*)?"  # below a folder, up to what ends a path in a message; it may hold blanks
_ENDS = re.compile(r"[:;,'\"<>]")
_UID = re.compile(r"\b[0-9]+(?:\.[0-9]+){4,}\b")
_QUOTED = re.compile(r"(?<!\w)(?:'(?!<)[^']*'|\"(?!<)[^\"]*\")")


class Redaction:
    """Takes the identity out of messages about one study.

    Parameters
    ----------
    paths:
        Of its volumes, the fixed one first.
    others:
        Of its transforms, landmarks and truths.
    """

    def __init__(self, paths: Sequence[Path], others: Sequence[Path] = ()):
        self._paths, self._others = tuple(paths), tuple(others)

    def __call__(self, message: str, quotes: bool = False) -> str:
        """``message`` on one line, with roles for the volumes, and without names, paths and DICOM UIDs.

        With ``quotes`` what stands in quotes is left out too: in errors of reading, words of the file.
        """
        text = one_line(message, 10 * _LIMIT)
        for place, role in self._places:
            text = text.replace(place, role) if place in text else text
        for path, role in self._folders:
            text = re.sub(re.escape(path) + _TAIL, role, text)
        text = MARKED.sub("<name>", text)
        text = _PATH.sub(lambda found: found[1] or "<path>", text)
        if quotes:
            text = _QUOTED.sub("<words>", text)
        for name in (name for name in self._names if name in text):
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "<file>", text)
        return one_line(_UID.sub("<uid>", text), _LIMIT)

    @property
    def _roles(self) -> list[str]:
        count = len(self._paths)
        numbered = [f"<moving {i}>" if count > 2 else "<moving>" for i in range(1, count)]
        return ["<fixed>", *numbered][:count]

    @cached_property
    def _files(self) -> dict[Path, list[Path]]:
        """The files that may be read with a path: those below a folder, or beside a file."""
        return {path: _beside_or_below(path) for path in (*self._paths, *self._others)}

    @cached_property
    def _places(self) -> list[tuple[str, str]]:
        """Each file that is known, as a message has its path, and what it stands for; the longest first."""
        roles = dict(zip(self._paths, self._roles, strict=True))
        known: dict[str, str] = {}
        for path, files in self._files.items():
            for file in files:
                known[_said(file)] = roles.get(path, "<path>") if path in file.parents else "<path>"
        return sorted(known.items(), key=_longest)

    @cached_property
    def _folders(self) -> list[tuple[str, str]]:
        """Each path, and each folder above whose name has what else would end a path in a message."""
        known = {_said(parent): "<path>" for path in self._files for parent in path.parents}
        known = {place: role for place, role in known.items() if _ENDS.search(place)}
        known |= {_said(path): "<path>" for path in self._others}
        known |= dict(zip(map(_said, self._paths), self._roles, strict=True))
        return sorted(known.items(), key=_longest)

    @cached_property
    def _names(self) -> list[str]:
        """Names of files and folders, without short ones that are words of messages too."""
        names = {part for path in self._files for part in (path.name, path.parent.name)}
        names |= {file.name for files in self._files.values() for file in files}
        said = {one_line(name) for name in names} - {""}
        return sorted((name for name in said if len(name) > 3 or not name.isalpha()), key=len, reverse=True)


def _beside_or_below(path: Path) -> list[Path]:
    try:
        return list(files_below(path) if path.is_dir() else path.parent.iterdir())
    except OSError:  # nothing is there, or nobody may look
        return []


def _said(place: Path) -> str:
    return one_line(place, 10 * _LIMIT)


def _longest(pair: tuple[str, str]) -> int:
    return -len(pair[0])
