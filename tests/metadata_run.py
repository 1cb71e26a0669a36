"""A run of `run_world.pipeline` in a process of its own, which a test kills: `metadata_run.py SOURCE URI PREFIX`."""

import sys

from ingest.run.flags import FlagParser
from ingest.run.options import run_options_from
from ingest.run.run import Run
from ingest.run.shared_flags import RUN_FLAGS
from run_world import pipeline

if __name__ == "__main__":
    source, uri, prefix = sys.argv[1:]
    arguments = ["--source", source, "--milvus-uri", uri, "--collection", prefix, "--lease-seconds", "2"]
    Run(pipeline(), run_options_from(FlagParser("", RUN_FLAGS).parse_args(arguments)), print).execute()
