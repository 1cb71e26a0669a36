"""The cost of other chunks for scans and speech, with a parse cache and without one.

    uv run pytest -n 0 -m benchmark -s tests/ray_jobs/pipelines/test_parse_cache_cost.py

For each kind of the corpus: a run that fills the cache, one with other chunks that uses it, and the same without it.
"""

import time

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

KINDS = {
    "scans": ("ingest_pdfs.py", "pdf/scan", ("--chunk-tokens", "120"), "documents"),
    "speech": ("ingest_videos.py", "audio", ("--passage-tokens", "60"), "video_segments"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_chunks_are_cheaper_with_a_cache(kind, jobs, corpus, milvus_client, tmp_path):
    script, place, other, rows = KINDS[kind]

    def run(name, collection, *flags):
        started = time.monotonic()
        result = jobs.run(script, "--source", str(corpus / place), "--collection", collection, *flags)
        seconds = time.monotonic() - started
        assert result.code == 0, result.stderr
        stages = ", ".join(f"{stage} {found['seconds']:.1f}" for stage, found in result.report["stages"].items())
        print(f"\n{kind} {name}: {seconds:.1f} s, {result.report['rows_written']} rows ({stages})")
        return seconds

    cache = ["--parse-cache", str(tmp_path)]
    filled = run("fills the cache", f"{kind}_", *cache)
    with_cache = run("other chunks with the cache", f"{kind}_", *cache, *other)
    without = run("other chunks without it", f"{kind}_plain_", *other)
    found = [
        {
            (row["id"], row["text"])
            for row in milvus_client.query(
                f"{prefix}{rows}", filter='id != ""', output_fields=["id", "text"], limit=10_000,
                consistency_level="Strong",
            )
        }
        for prefix in (f"{kind}_", f"{kind}_plain_")
    ]  # fmt: skip
    assert found[0] == found[1]
    size = sum(file.stat().st_size for file in tmp_path.rglob("*.parquet"))
    print(f"\n{kind}: {with_cache / without:.2f} of the time without it; first run {filled:.1f} s; {size:,} bytes kept")
