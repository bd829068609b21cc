"""What MkDocs does to a page: links to files of the repository outside ``docs/`` lead to the repository.

On GitHub the same links work as they are.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["on_page_markdown"]

_OUTSIDE = re.compile(r"(!?)\[([^\]]*)\]\(\.\./([^)]+)\)")


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """The text of a page with those links made absolute; pictures are served raw."""

    def absolute(match: re.Match[str]) -> str:
        kind = "raw" if match[1] else "blob"
        return f"{match[1]}[{match[2]}]({config['repo_url']}/{kind}/main/{match[3]})"

    return _OUTSIDE.sub(absolute, markdown)
