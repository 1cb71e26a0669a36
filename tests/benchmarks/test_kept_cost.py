"""What doing it again costs: with other chunks after the parses were kept, and after one page of each document changed.

    uv run pytest -n 0 -s -m benchmark tests/benchmarks/test_kept_cost.py

Without the kept parses, scans are read by OCR again, and recordings are transcribed again.
"""

from pathlib import Path

import pytest

from benchmarks.pipeline_runs import BUCKET, report_of, uploaded

DOCUMENTS = 8
RECORDINGS = 12
SCANS = 8

SETS = {
    "scans": ("pdfs", "pdf/scan/*.pdf", SCANS, ("embedding",), "--chunk-tokens"),
    "recordings": ("videos", "audio/*/*.*", RECORDINGS, ("embedding", "clip", "whisper"), "--passage-tokens"),
}
MODELS = {"embedding": "minilm_path", "clip": "clip_path", "whisper": "whisper_path"}

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("name", SETS)
def test_other_chunks_after_parses_were_kept(name, request, figures, corpus, object_store, milvus, ray_head):
    pipeline, pattern, count, needed, length = SETS[name]
    files = [file for file in sorted(corpus.glob(pattern)) if file.is_file()][:count]
    source = uploaded(object_store, files, corpus, f"kept-{name}")
    models = [word for each in needed for word in (f"--{each}-model", request.getfixturevalue(MODELS[each]))]
    kept = ["--parse-cache", f"s3://{BUCKET}/parses-{name}/"]

    def seconds(collection: str, *flags: str) -> float:
        """From the models' loading to the end of a run into a new collection."""
        own = [*models, "--collection", f"{name}_{collection}_", *flags]
        report = report_of(pipeline, source, own, object_store, milvus, ray_head)
        assert (report["added"], report["failed"]) == (len(files), 0)
        return report["seconds"] - report["stages"]["start"]["seconds"]

    seconds("first", *kept)
    with_kept = seconds("with", length, "100", *kept)
    without = seconds("without", length, "100")
    figures.note(
        "again", f"other chunks of {len(files)} {name}", with_kept / without,
        f"{with_kept:.1f} s with the kept parses, {without:.1f} s without them, models loaded",
    )  # fmt: skip
    assert with_kept < without


def test_a_changed_page_costs_a_page(figures, corpus, object_store, milvus, ray_head, minilm_path, tmp_path):
    files = sorted((corpus / "pdf" / "clean").glob("*.pdf"))[:DOCUMENTS]
    source = uploaded(object_store, files, corpus, "page")
    flags = ["--embedding-model", minilm_path, "--collection", "page_", "--ocr", "off"]
    first = report_of("pdfs", source, flags, object_store, milvus, ray_head)
    pages = 0
    for file in files:
        changed, count = with_a_changed_page(file, tmp_path)
        object_store.client().upload_file(str(changed), BUCKET, f"page/0/{file.relative_to(corpus)}")
        pages += count
    again = report_of("pdfs", source, flags, object_store, milvus, ray_head)
    assert (again["changed"], again["failed"]) == (len(files), 0)
    embedded = again["stages"]["embed"]["items"] / first["rows_written"]
    figures.note(
        "again", "one page changed in each document", embedded / (len(files) / pages),
        f"of {first['rows_written']} chunks of {pages} pages, {again['stages']['embed']['items']} were embedded again; "
        f"pages changed: {len(files)}; embedding alone, of pages that need no OCR",
    )  # fmt: skip
    assert embedded < 0.5


def with_a_changed_page(file: Path, folder: Path) -> tuple[Path, int]:
    """A copy of a PDF with another sentence on its middle page, and the number of its pages."""
    import pymupdf

    with pymupdf.open(file) as document:
        page = document[document.page_count // 2]
        page.insert_text((40, page.rect.height - 12), "This sentence is new in this version.", fontsize=8)
        document.save(folder / file.name)
        return folder / file.name, document.page_count
