"""The command line: one module for each command or group of them.

Exit codes: 0 done, 1 some studies of a batch failed, 2 bad input or usage, 130 cancelled, 141 nobody reads
the output any more (``medfuse ... | head``).
Errors are one line on stderr; ``--debug`` shows the traceback too.
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from ..errors import Cancelled, MedfuseError
from ..io.files import one_line
from ..memory import failed_allocation
from ..version import __version__
from . import batch, demo, fuse, listing, model, register, score, weights
from .reporting import show_log
from .streams import NobodyReads, OutputFailed, let_go, watch

__all__ = ["app", "main"]

_LOG = logging.getLogger(__name__)

app = typer.Typer(
    name="medfuse",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Medical image fusion in correct geometry. For research use; not a medical device.",
)
app.command("fuse")(fuse.fuse)
app.command("register")(register.register)
app.command("apply")(register.apply)
app.add_typer(register.app, name="registration")
app.add_typer(batch.app, name="batch")
app.command("demo")(demo.demo)
app.command("methods")(listing.methods)
app.command("metrics")(score.metrics)
app.command("info")(listing.info)
app.add_typer(weights.app, name="weights")
app.add_typer(model.app, name="model")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"medfuse {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: ARG001 - its callback has shown it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            envvar="MEDFUSE_DEBUG",
            help="Show on stderr where in the code an error came up; names files. Before the command.",
        ),
    ] = False,
) -> None:
    if debug:
        show_log()


def main() -> None:
    """Run the command line and exit with its code."""
    if not sys.warnoptions:
        # What parsers warn of is checked and said by our readers; -W or PYTHONWARNINGS shows it again.
        warnings.filterwarnings("ignore", module=r"(pydicom|nibabel|PIL|scipy\.io)\b")
    watch()
    try:
        app()
    except MedfuseError as error:
        _stop(str(error))
    except Cancelled:
        typer.echo("medfuse: cancelled; nothing was written", err=True)
        sys.exit(130)
    except NobodyReads:
        let_go()
        sys.exit(141)
    except OutputFailed as error:
        let_go()
        _stop(f"standard output cannot be written: {error}")
    except (MemoryError, RuntimeError, ImportError, OSError) as error:
        said = failed_allocation(error) or (one_line(error) if isinstance(error, OSError) else "")
        if not said:
            raise
        _stop(said)


def _stop(message: str) -> NoReturn:
    _LOG.debug("stopped by an error", exc_info=True)
    typer.echo(f"medfuse: error: {' '.join(message.split())}", err=True)
    sys.exit(2)
