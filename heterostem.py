"""The command line: it joins the packages' commands, and turns errors into one line and an exit code.

Exit codes: 0 done; 1 it failed, one line on standard error says why; 2 wrong use. `--debug` shows the
traceback.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import cyclopts
from cyclopts.exceptions import CycloptsError

from stochgeom.errors import UserError

DEMO_TABLE = "tio2-wo3-300kv"  # the response table of the recipe `demo`


def build_app() -> cyclopts.App:
    """The application with every package's commands; none of them imports a heavy library until it runs."""
    import learn.cli
    import simulate.cli
    import stochgeom.cli

    app = cyclopts.App(
        name="heterostem",
        help="Synthetic STEM data of hetero-aggregates and textures, and the estimators that read it back.",
        help_epilogue="Every command also takes --debug, which shows the full traceback of an error.",
        version=lambda: importlib.metadata.version("heterostem"),
        result_action="return_value",
        exit_on_error=False,
        suppress_keyboard_interrupt=False,  # `run` says what becomes of the work
    )
    stochgeom.cli.register(app)
    simulate.cli.register(app)
    learn.cli.register(app)
    app.command(demo)
    return app


def demo(
    *, out: Path = Path("demo-output"), workers: int = 2, minutes: float = 2.5, overwrite: bool = False
) -> None:
    """The whole flow in minutes on two cores: table check, corpus, reference probes, estimator, report.

    Parameters
    ----------
    out
        Folder for the corpus, the model and the report. Running again finishes what is missing.
    workers
        Worker processes.
    minutes
        Wall-clock budget of the training.
    overwrite
        Start anew although the folder holds an earlier demo.
    """
    from learn.config import TrainingConfig
    from learn.error_analysis import analyse
    from learn.report import write_report
    from learn.training import train
    from simulate.calibration.spot_check import spot_check
    from simulate.corpus.reader import Corpus
    from simulate.engines.tables import ResponseTable
    from simulate.generate import generate
    from simulate.recipe import Recipe

    started = time.monotonic()

    def step(text: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    recipe = Recipe.load("demo")
    step("1/5 the shipped response table against fresh multislice")
    for spot in spot_check(ResponseTable.load(DEMO_TABLE), directions=3, workers=workers):
        step(
            f"    {spot.phase}: R = {spot.table:.3f} per µm in the table, {spot.fresh:.3f} +- "
            f"{spot.standard_error:.3f} afresh ({spot.directions} directions, {spot.thickness_nm:g} nm)"
        )
        if abs(spot.z) > 5:
            raise UserError(
                f"the response table of {spot.phase} differs by {spot.z:.1f} standard errors from fresh "
                "multislice; make it anew with heterostem calibrate"
            )
    step(f"2/5 {recipe.samples} aggregates and their images, and reference probes by multislice")
    place = generate(recipe, out / "corpus", workers=workers, overwrite=overwrite)
    corpus = Corpus.open(place)
    step(f"3/5 training an estimator, at most {minutes:g} minutes")
    config = TrainingConfig(epochs=60, minutes=minutes)
    train(corpus, out / "model", config, resume=not overwrite, tell=lambda line: step(f"    {line}"))
    step("4/5 error analysis beside the baselines")
    analysis = analyse({"demo": out / "model"}, corpus, draws=8, workers=workers)
    step("5/5 the report")
    step(f"report: {write_report(analysis, out / 'report').resolve()}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line on `arguments` and return its exit code."""
    tokens = [token for token in arguments if token != "--debug"]
    debug = len(tokens) < len(arguments)
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    if not debug:
        warnings.filterwarnings("ignore", category=FutureWarning)
        logging.getLogger("tifffile").setLevel(logging.ERROR)  # it warns of files that then are refused
    try:
        build_app()(tokens)
    except CycloptsError:
        return 2  # cyclopts has said what was wrong
    except KeyboardInterrupt:
        return _fail(
            "interrupted; what was finished is kept, and running the command again goes on from there"
        )
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except Exception as error:
        if debug:
            raise
        return _fail(_one_line(error))
    return 0


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, (UserError, OSError)) and text:
        return text
    return f"{type(error).__name__}: {text or 'no message'} (run again with --debug for the traceback)"


def _fail(message: str) -> int:
    print(f"heterostem: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
