"""The end of the demo: answers, reports, rows, and where to look."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from embedded.demo_service import Service
from embedded.exhibits import Question, describe, questions
from embedded.ingest_runs import Ended
from embedded.platform import Platform
from embedded.processes import base_environment
from embedded.progress import Progress

SEARCH = Path(__file__).parents[2] / "ray_jobs" / "search.py"
SEARCH_SECONDS = 240.0
COUNTS = ("listed", "added", "changed", "unchanged", "deleted", "failed", "rows_written")
SNIPPET = 160

Answers = Sequence[tuple[Question, dict[str, Any]]]


class AnswerError(RuntimeError):
    """A question was not answered, or not by the place that answers it."""


def ask(service: Service, page: Path | None, progress: Progress) -> Answers:
    """The best hit of each question, from `ray_jobs/search.py`. Raises AnswerError.

    page: receives the answers as HTML, with small pictures.
    """
    progress.step("answers", "search.py asks the service")
    asked = questions()
    command = [sys.executable, str(SEARCH), "--service", service.url, "--json"]
    command += ["--html", str(page)] if page else []
    environment = {**base_environment(), "SEARCH_TOKEN": service.token}
    done = subprocess.run(
        [*command, *(question.text for question in asked)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=SEARCH_SECONDS,
    )
    if done.returncode != 0:
        raise AnswerError(f"search.py ended with exit code {done.returncode}\n{done.stderr[-2000:]}")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    hits = [
        answer["hits" if question.kind == "pages" else question.kind][0]
        for question, answer in zip(asked, found, strict=True)
    ]
    answers = list(zip(asked, hits, strict=True))
    wrong = [f"{question.text} -> {describe(hit)}" for question, hit in answers if not question.is_answered_by(hit)]
    if wrong:
        raise AnswerError("answered by the wrong place:\n" + "\n".join(wrong))
    progress.end("answers", f"{len(answers)} questions are answered")
    return answers


def show_answers(answers: Answers, progress: Progress) -> None:
    for question, hit in answers:
        progress.show(Text.assemble("\nQ: ", (question.text, "bold"), (f"   (in {question.kind})", "dim")))
        progress.show(Text.assemble("A: ", (describe(hit), "green")))
        if "text" in hit:
            progress.show(Text(f"   {snippet(hit['text'])}", "italic"))


def snippet(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= SNIPPET else f"{flat[:SNIPPET]}..."


def show_reports(ended: Sequence[Ended], progress: Progress) -> None:
    """A table of the jobs' reports: counts of files, and of rows."""
    table = Table("run", *(name.replace("_", " ") for name in COUNTS), "seconds", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for each in ended:
        counts = [str(each.report[name]) for name in COUNTS]
        table.add_row(each.batch.name, *counts, f"{each.report['seconds']:.1f}")
    progress.show("\nThe reports of the Ray jobs:", table)


def show_rows(milvus_uri: str, progress: Progress) -> None:
    # A channel outlives its client, and gRPC would complain about its own pings while the demo stays up.
    os.environ["GRPC_VERBOSITY"] = "NONE"
    from pymilvus import MilvusClient

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    client = MilvusClient(milvus_uri)
    for collection in sorted(client.list_collections()):
        rows = client.query(collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
        (name,) = client.list_aliases(collection)["aliases"] or [collection]
        table.add_row(name, str(rows[0]["count(*)"]))
    client.close()
    progress.show("\nRows in Milvus:", table)


def show_where_to_look(platform: Platform, service: Service, page: Path | None, progress: Progress) -> None:
    """How to open the two UIs, and what to try there. page: is there when everything stays up."""
    airflow = platform.airflow
    progress.show(
        "\nLook around" + (":" if page else " (with --keep everything stays up; without, it ends now):"),
        f"  Airflow   {airflow.url}   user {airflow.username}   password {airflow.password}",
        f"  Ray       {platform.ray.dashboard_url}",
        *([f"  Answers   file://{page}"] if page else []),
        "\nThings to try:",
        "  - Open the Dag ingest_pdfs: its grid shows a run by schedule, one by hand and one by backfill.",
        "  - Click a green square: Logs has the job's log, Storage its report (XCom), Details the button Ray job.",
        "  - Trigger ingest_pdfs with full_refresh over the same source: every file is ingested again, and none twice.",
        "  - Browse -> Ray ingest: what Milvus holds, any file with its rows, the days, and a search.",
        "  - Assets -> documents: every run's report is on the event that tells other Dags of new rows.",
        f"  - Ask: SEARCH_TOKEN={service.token} \\",
        f'    uv run python ray_jobs/search.py --service {service.url} "How is honey made?"',
    )
