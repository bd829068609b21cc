"""The viewer of a report: linked slices on plain canvas, in a page that needs nothing else.

:mod:`.contents` says what is shown, :mod:`.blocks` packs the volumes into the page, :mod:`.script`
joins the modules of JavaScript beside it.
"""

from __future__ import annotations

from .contents import Viewer, viewer_of_aligned, viewer_of_result
from .script import content_policy, script_text, style_text

__all__ = [
    "Viewer",
    "content_policy",
    "script_text",
    "style_text",
    "viewer_of_aligned",
    "viewer_of_result",
]
