"""Makes the demo's PDFs: real multi-page documents whose every byte is the same on every run."""

from dataclasses import dataclass
from pathlib import Path

# The texts were written for the demo: what they say is made up, and findable.
LIBRARY = Path(__file__).with_name("library")
DAYS = ("2026-01-01", "2026-01-02")

A4_WIDTH, A4_HEIGHT, MARGIN = 595.0, 842.0, 72.0
CREATED = "D:20260101000000Z"


@dataclass(frozen=True)
class Question:
    """A question that one page answers; `page` counts from 1."""

    text: str
    file: str
    page: int


QUESTIONS = (
    Question("How often does the fog signal sound?", "lighthouse-handbook.pdf", 2),
    Question("How hot must the stone oven be for the country loaf?", "sourdough-notes.pdf", 2),
    Question("How much water does the lake behind the moraine hold?", "glacier-survey.pdf", 3),
    Question("What must the attendant do when the emergency brake is pulled?", "night-train-guide.pdf", 2),
    Question("How are bee colonies treated against the varroa mite?", "beekeeping-calendar.pdf", 3),
    Question("When does the telescope mirror get a new coat of aluminium?", "telescope-mirror.pdf", 2),
    Question("What did the red algae in March do to the desalination plant?", "desalination-report.pdf", 2),
    Question("Which glue was used for the crack in the cello?", "cello-restoration.pdf", 2),
    Question("At which temperature does an open apple blossom freeze to death?", "orchard-frost.pdf", 1),
    Question("Which chart shows an island that never existed?", "map-archive.pdf", 2),
    Question("冲泡云岭绿茶的水温是多少?", "tea-harvest.pdf", 3),
    Question("How long do lettuce seeds keep?", "seed-vault.pdf", 3),
)


def names(day: str) -> list[str]:
    """Names without suffix of the PDFs of one of `DAYS`, sorted."""
    return sorted(file.stem for file in (LIBRARY / day).glob("*.txt"))


def make_pdfs(day: str) -> dict[str, bytes]:
    """The PDFs of one of `DAYS`, as bytes by file name."""
    return {f"{name}.pdf": _pdf((LIBRARY / day / f"{name}.txt").read_text("utf-8")) for name in names(day)}


def make_pdf(*pages: str) -> bytes:
    """A PDF with a page for each of the texts."""
    import pymupdf

    with pymupdf.open() as document:
        for text in pages:
            document.new_page().insert_textbox(pymupdf.Rect(50, 50, 550, 800), text, fontsize=9)
        data: bytes = document.tobytes(no_new_id=True)
        return data


def _pdf(text: str) -> bytes:
    """Set a text: its first line is the title, each `# heading` begins a page, paragraphs are apart by empty lines."""
    import pymupdf

    title, *pages = text.split("\n# ")
    with pymupdf.open() as document:
        for number, content in enumerate(pages, start=1):
            heading, *paragraphs = [" ".join(block.split()) for block in content.split("\n\n")]
            page = document.new_page(width=A4_WIDTH, height=A4_HEIGHT)
            # The built-in Chinese font of PyMuPDF; the other two are among the 14 of every PDF reader.
            body, bold = ("tiro", "tibo") if heading.isascii() else ("china-s", "china-s")
            running_head = f"{title.strip()}    {number}"
            page.insert_text((MARGIN, 50), running_head, fontsize=9, fontname="tiro", color=(0.4, 0.4, 0.4))
            page.insert_text((MARGIN, 110), heading, fontsize=20, fontname=bold)
            frame = pymupdf.Rect(MARGIN, 140, A4_WIDTH - MARGIN, A4_HEIGHT - MARGIN)
            room = page.insert_textbox(frame, "\n\n".join(paragraphs), fontsize=12, fontname=body, lineheight=1.5)
            if room < 0:
                raise ValueError(f"the page '{heading}' of '{title}' does not fit")
        document.set_metadata({"title": title.strip(), "creationDate": CREATED, "modDate": CREATED})
        data: bytes = document.tobytes(garbage=3, deflate=True, no_new_id=True)
        return data
