"""The PDF pipeline: parse the documents, optionally caption their figures, and embed the chunks."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError
from ingest.common.identity import fingerprint
from ingest.milvus.schema import DOCUMENTS
from ingest.models.caption_model import PROMPT, find_caption_model
from ingest.models.text_encoder import TEXTS_PER_PASS
from ingest.models.text_model import find_text_model
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings
from ingest.pdf.figures import REVISION as FIGURES_REVISION
from ingest.pdf.ocr_models import WEIGHT_BYTES
from ingest.pipelines.cache_flag import PARSE_CACHE_FLAG, cache_of
from ingest.pipelines.text_flags import EMBEDDING_MODEL_FLAG, check_text_length
from ingest.run.flags import COUNT, COUNT_OR_ZERO, Flag
from ingest.run.options import RunOptions
from ingest.stages.captions import CaptionFigures
from ingest.stages.ocr import OCR
from ingest.stages.pdfs import ParseSettings, parse_documents
from ingest.stages.pipeline import Collection, Pipeline, Shared, map_model, map_objects
from ingest.stages.requests import ModelStage
from ingest.stages.texts import EmbedTexts

if TYPE_CHECKING:
    from ray.data import Dataset

    from ingest.stages.progress import ProgressReporter
    from ingest.stages.requests import Resources

REVISION = 17
"""Increase it when the code gives other rows for the same PDF; the next run then processes every object again.

It was not increased for the places of chunks in the metadata: rows without them are as searchable, and say so.
"""

SUFFIXES = (".pdf",)
"""Endings of the names of the objects that the pipeline reads, in lower case."""

CHUNK_PARTS_PER_GPU_CALL = 64
"""Parts of objects per call of the text model on a GPU: thousands of chunks, sorted by length before batching."""

FIGURE_PARTS_PER_GPU_CALL = 4
"""Parts of objects per call of the captioning model on a GPU: about fifty figures."""

OCR_LINES_PER_PASS = 16
"""Lines of text per forward pass on a GPU."""

OCR_WORK = 4.0
"""A page takes 5 s of a core, and its chunks a fraction of one; a user who requests OCR as a stage has scans."""

FLAGS = (
    EMBEDDING_MODEL_FLAG,
    Flag(
        "embedding-batch-size",
        "The most chunks per forward pass on a GPU, which has at most 32,768 tokens too.",
        COUNT,
        metavar="N",
        default=TEXTS_PER_PASS,
    ),
    Flag(
        "chunk-tokens",
        "Length of the largest chunk, in tokens of the text model.",
        COUNT,
        metavar="N",
        default=200,
        title="Tokens per chunk",
        rare=True,
    ),
    Flag(
        "chunk-overlap",
        "Tokens that a chunk repeats from the previous one.",
        COUNT_OR_ZERO,
        metavar="N",
        default=0,
        title="Tokens that chunks share",
        rare=True,
    ),
    Flag(
        "ocr",
        "Whether pages without a usable text layer are read by optical character recognition.",
        choices=("auto", "off"),
        default="auto",
        title="Read scans (OCR)",
    ),
    Flag(
        "caption-model",
        "Model that captions figures: a vision-language model of transformers by hub name, or a folder. By default, "
        "figures are left out.",
        metavar="NAME",
        default="",
        may_be_path=True,
        title="Model for figures",
        site_default=True,
    ),
    Flag("caption-batch-size", "Figures per forward pass.", COUNT, metavar="N", default=8),
    PARSE_CACHE_FLAG,
)


def pdf_pipeline(arguments: Namespace, options: RunOptions) -> Pipeline:
    """Build the pipeline from its flags. Its fingerprint covers everything that shapes its rows.

    Raises:
        ConfigurationError: a model is not usable, or flags contradict each other.
    """
    if arguments.chunk_overlap >= arguments.chunk_tokens:
        raise ConfigurationError("--chunk-tokens must be above --chunk-overlap")
    model = find_text_model(arguments.embedding_model)
    check_text_length("--chunk-tokens", arguments.chunk_tokens, model, arguments.embedding_model, "chunk")
    captioner = find_caption_model(arguments.caption_model) if arguments.caption_model else None
    chunks = ChunkSettings(arguments.chunk_tokens, arguments.chunk_overlap)
    ocr, figures = arguments.ocr == "auto", captioner is not None
    parsing = {"ocr": ocr, "figures": FIGURES_REVISION if figures else 0}
    cache = cache_of(arguments, options, "pdfs", "pages", parsing, REVISION)
    document = DocumentSettings(chunks, options.limits.pages, ocr, figures, keep=cache is not None)

    def build(differences: Dataset, resources: Resources, observe: ProgressReporter, shared: Shared) -> Dataset:
        parsed = map_objects(
            differences,
            parse_documents,
            resources,
            tokenizer_json=model.tokenizer_json,
            settings=ParseSettings(document, options.reading(), options.limits, cache),
            observe=observe,
            before_embedding=shared.load_stored,
            ocr=shared.ocr,
        )
        if captioner is not None:
            pool = resources.pools["caption"]
            parsed = map_model(
                parsed,
                CaptionFigures,
                pool,
                FIGURE_PARTS_PER_GPU_CALL,
                model=captioner.name,
                observe=observe,
                cache=cache_of(
                    arguments, options, "pdfs", "captions", {**parsing, "captions": shape["captions"]}, REVISION
                ),
            )
        return map_model(
            parsed,
            EmbedTexts,
            resources.pools["embed"],
            CHUNK_PARTS_PER_GPU_CALL,
            model=model.name,
            dimension=model.dimension,
            observe=observe,
            cache=shared.cache,
        )

    shape = {"model": model.identity, "tokens": chunks.tokens, "overlap": chunks.overlap, "ocr": document.ocr}
    models = [ModelStage("embed", model.weight_bytes, batch_size=arguments.embedding_batch_size)]
    if ocr:
        models.append(ModelStage(OCR, WEIGHT_BYTES, OCR_WORK, OCR_LINES_PER_PASS, optional=True))
    if captioner is not None:
        shape["captions"] = f"{captioner.identity} {PROMPT} {FIGURES_REVISION}"
        models.append(ModelStage("caption", captioner.weight_bytes, 2.0, arguments.caption_batch_size))
    return Pipeline(
        name="pdfs",
        unit="chunks",
        suffixes=SUFFIXES,
        collections=(Collection(DOCUMENTS, model.dimension, model.name),),
        model=model.identity,
        models=tuple(models),
        fingerprint=fingerprint("pdfs", REVISION, shape),
        build=build,
        cache=cache,
        left_out=() if ocr else (OCR,),
        bytes_per_actor=1 << 20,
    )
