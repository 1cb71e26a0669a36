"""The command line of a pipeline: flags in, a run, and its last words, report and exit code out."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence

from ingest.run.flags import Flag, Parser
from ingest.run.options import RUN_FLAGS, Options, options_from
from ingest.run.report import Report
from ingest.run.run import Run
from ingest.run.script import finish, say
from ingest.stages.pipeline import Pipeline


def ingest(
    argv: Sequence[str] | None,
    description: str,
    flags: Sequence[Flag],
    pipeline: Callable[[Namespace, Options], Pipeline],
) -> int:
    """Run a pipeline as its flags say.

    Args:
        argv: without the program's name; None means this process's.
        description: for `--help`.
        flags: the pipeline's own, beside those that all pipelines share.
        pipeline: makes the pipeline from all parsed flags.

    Returns:
        The exit code, as `finish` has it.
    """
    arguments = Parser(description, (*RUN_FLAGS, *flags)).parse_args(argv)

    def work() -> Report:
        options = options_from(arguments)
        return Run(pipeline(arguments, options), options, say).execute()

    return finish(work, arguments.report)
