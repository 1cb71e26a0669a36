"""The command line of a pipeline: parse the flags, run the pipeline, print its report."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.run.flags import Flag, FlagParser, as_typed
from ingest.run.options import RunOptions, run_options_from
from ingest.run.ray_address import in_ray_job, is_elsewhere, ray_address
from ingest.run.report import Report
from ingest.run.run import Run
from ingest.run.script import check_report_path, guarded, run_job_script, say
from ingest.run.shared_flags import RUN_FLAGS
from ingest.stages.pipeline import Pipeline


def ingest(
    argv: Sequence[str] | None,
    description: str,
    flags: Sequence[Flag],
    pipeline: Callable[[Namespace, RunOptions], Pipeline],
) -> int:
    """Run a pipeline with the options on the command line, here or on the cluster that RAY_ADDRESS names by a URL.

    Args:
        argv: arguments without the program's name; None for those of this process.
        description: description of the script in `--help`.
        flags: the pipeline's own flags, in addition to RUN_FLAGS.
        pipeline: builds the pipeline from all parsed flags.

    Returns:
        The exit code, as `run_job_script` returns it.
    """
    all_flags = (*RUN_FLAGS, *flags)
    arguments = FlagParser(description, all_flags).parse_args(argv)

    def elsewhere() -> int:
        from ingest.run.elsewhere import run_elsewhere

        check_report_path(arguments.report)
        words = [as_typed(word) for word in (sys.argv[1:] if argv is None else argv)]
        return run_elsewhere(ray_address(), Path(sys.argv[0]).name, words, arguments, all_flags, say)

    def work() -> Report:
        options = run_options_from(arguments)
        return Run(pipeline(arguments, options), options, say).execute()

    if not in_ray_job() and is_elsewhere(os.environ.get("RAY_ADDRESS", "")):
        return guarded(elsewhere)
    return run_job_script(work, arguments.report)
