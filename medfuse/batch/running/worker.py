"""The process that works on studies, one after the other; :mod:`.child` starts it.

It reads a job a line from stdin and answers with a row a line on stdout.  It ends when stdin ends, that
is, at once when the process that started it is gone, whatever it is doing.
"""

from __future__ import annotations

import json
import os
import sys
from queue import SimpleQueue
from threading import Thread
from typing import TextIO

from ..jobs import Job
from .study import perform

__all__ = ["main"]


def main() -> None:
    """Work until stdin ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not get in between
    lines: SimpleQueue[str] = SimpleQueue()
    Thread(target=_listen, args=(sys.stdin, lines), daemon=True).start()
    while True:
        token, _, line = lines.get().partition(" ")
        answers.write(json.dumps(perform(Job.from_json(line), token)) + "\n")
        answers.flush()


def _listen(stdin: TextIO, lines: SimpleQueue[str]) -> None:
    for line in stdin:
        lines.put(line)
    os._exit(0)  # nobody is there to hear an answer
