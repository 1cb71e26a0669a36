"""ingest_pdfs.py on a real Ray head: OCR of scans, and captions of figures."""

import pytest

from embedded.images import make_photos

# The default run tests OCR and captions without Ray: test_document.py and test_captioning.py.
pytestmark = pytest.mark.nightly

BUCKET = "pdf-figures"
SENTENCE = "The harbour master records every ship that passes the lighthouse at night."


def paper(figures=()):
    """A PDF with two pages of text; the second also has figures."""
    import pymupdf

    with pymupdf.open() as document:
        for _ in range(2):
            page = document.new_page()
            page.insert_textbox(pymupdf.Rect(72, 72, 520, 200), SENTENCE * 3, fontsize=11)
        for index, name in enumerate(figures):
            top = 220 + 180 * index
            page.insert_image(pymupdf.Rect(72, top, 300, top + 150), stream=make_photos()[name])
        return document.tobytes(no_new_id=True)


def scan():
    """A PDF with a scanned page of text."""
    import pymupdf

    with pymupdf.open("pdf", paper()) as text, pymupdf.open() as document:
        picture = text[0].get_pixmap(dpi=150).tobytes("png")
        document.new_page().insert_image(document[0].rect, stream=picture)
        return document.tobytes(no_new_id=True)


class Papers:
    """A PDF with figures and a scan, ingested with and without OCR and captions."""

    def __init__(self, jobs, store, client, caption_path):
        self.source = f"{store.bucket(BUCKET)}/papers/"
        for name, data in {"figures.pdf": paper(("cat.jpg", "palace.jpg")), "scan.pdf": scan()}.items():
            store.client().put_object(Bucket=BUCKET, Key=f"papers/{name}", Body=data)
        flags = ["--source", self.source, "--collection", "figures_"]
        self.client = client
        self.plain = jobs.run("ingest_pdfs.py", *flags, "--ocr", "off")
        self.without = self.rows()
        self.captioned = jobs.run("ingest_pdfs.py", *flags, "--caption-model", caption_path)
        self.found = self.rows()

    def rows(self):
        return self.client.query(
            "figures_documents", filter='id != ""', limit=1000, consistency_level="Strong",
            output_fields=["source", "ordinal", "page", "kind", "text", "metadata"],
        )  # fmt: skip


@pytest.fixture(scope="module")
def papers(jobs, object_store, milvus_client, caption_path):
    return Papers(jobs, object_store, milvus_client, caption_path)


def test_captions_of_figures_follow_the_text_and_have_their_page(papers):
    assert papers.captioned.code == 0, papers.captioned.stderr
    rows = sorted(
        (row for row in papers.found if row["source"].endswith("figures.pdf")), key=lambda row: row["ordinal"]
    )
    assert [row["ordinal"] for row in rows] == list(range(len(rows)))
    captions = [row for row in rows if row["kind"] == "caption"]
    assert rows[-2:] == captions
    assert [row["page"] for row in captions] == [2, 2]
    assert all(row["text"] for row in captions)
    assert papers.captioned.report["stages"]["caption"]["items"] == 2


def test_a_scan_is_read_by_ocr(papers):
    rows = [row for row in papers.found if row["source"].endswith("scan.pdf")]
    assert {row["kind"] for row in rows} == {"ocr"}
    assert "passes the lighthouse" in " ".join(row["text"] for row in rows)


def test_without_ocr_and_captions_only_the_text_layer_is_ingested(papers):
    assert papers.plain.code == 0, papers.plain.stderr
    assert {(row["source"].rsplit("/")[-1], row["kind"]) for row in papers.without} == {("figures.pdf", "text")}
    assert papers.plain.report["empty"] == 1


def test_other_settings_replace_the_rows(papers):
    assert papers.captioned.report["changed"] == 2
    assert papers.captioned.report["rows_deleted"] == len(papers.without)
