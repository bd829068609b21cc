"""The plain choices that stand before all methods and presets."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHOICES", "OTHER", "Choice", "choice_of"]

OTHER = "other"
"""Key of the choice that offers every method and preset."""


@dataclass(frozen=True)
class Choice:
    """A choice and what it stands for; of :data:`OTHER` method and preset are "".

    ``about`` is what a user gets by it, and ``hint`` when to take it.
    """

    key: str
    label: str
    about: str
    hint: str
    method: str = ""
    preset: str = ""


CHOICES = (
    Choice(
        "automatic",
        "Automatic",
        "removes noise where it is worth it",
        "Looks what noise the volumes have: as Quick where there is none, else by dip with the preset that "
        "suits the device. The name of the result tells what ran.",
        "auto",
        "auto",
    ),
    Choice(
        "quick",
        "Quick",
        "the exact closed form (pca)",
        "For clean volumes, and for a first look at any.",
        "pca",
        "auto",
    ),
    Choice(
        "careful",
        "Careful",
        "removes noise by a network (dip balanced)",
        "For noisy volumes: fast MR, ultrasound, low dose. Small lesions get weaker: compare with Quick.",
        "dip",
        "balanced",
    ),
    Choice(
        "published",
        "As published",
        "the paper's network (dip paper)",
        "To repeat what the paper did (Ma et al. 2021). On a CPU it takes most of an hour for each slice.",
        "dip",
        "paper",
    ),
    Choice(OTHER, "Other", "any method and preset…", "Baselines, and methods of other papers."),
)
"""Automatic is the first, because it is what the command line and Python do unasked: the same volumes give
the same result from all three."""


def choice_of(method: str, preset: str) -> Choice:
    """The choice that stands for a method and preset."""
    exact = (one for one in CHOICES if (one.method, one.preset) == (method, preset))
    return next(exact, CHOICES[-1])
