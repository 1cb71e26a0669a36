"""Turn the PDFs under a prefix into searchable chunks in Milvus.

As a Ray job:  ray job submit --working-dir ray_jobs -- python ingest_pdfs.py --source s3://... --milvus-uri http://...
By hand:       python ray_jobs/ingest_pdfs.py --source ./papers --milvus-uri http://127.0.0.1:19530

Reads the object store's credentials from AWS_*, AWS_ENDPOINT_URL and the token of Milvus from MILVUS_TOKEN.
Exit codes: 0 done, 2 bad arguments or configuration, 3 too many objects failed, 4 a dependency is unreachable, 1 else.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from ingest.common.errors import ConfigurationError
from ingest.common.identity import fingerprint
from ingest.milvus.schema import DOCUMENTS
from ingest.models.captioner import PROMPT, CaptionModel, describe_captioner
from ingest.models.text_model import TextModel, describe
from ingest.pdf.chunking import ChunkSettings
from ingest.pdf.document import DocumentSettings
from ingest.pdf.figures import REVISION as FIGURES_REVISION
from ingest.run.options import Options, Parser, add_common_flags, options_from, positive_count
from ingest.run.report import Report
from ingest.run.run import run
from ingest.run.script import finish, say
from ingest.stages.captions import CaptionFigures
from ingest.stages.pdfs import ParseSettings, parse_documents
from ingest.stages.pipeline import Collection, Pipeline, Reuse, map_model, map_objects
from ingest.stages.resources import ModelStage
from ingest.stages.texts import EmbedTexts

if TYPE_CHECKING:
    from ray.data import Dataset

    from ingest.stages.progress import Reporter
    from ingest.stages.resources import Resources

REVISION = 3
"""Raise it when the same PDF gives other rows than before: every object is then processed anew."""

GPU_BATCH = 64
"""Parts of objects per call of a model on a GPU: thousands of chunks, to sort by length before they are batched."""


GPU_FIGURES = 4
"""Parts of objects per call of a captioning model on a GPU: some fifty figures."""


def pdf_pipeline(
    model: TextModel, captioner: CaptionModel | None, chunks: ChunkSettings, arguments: Namespace, options: Options
) -> Pipeline:
    """The pipeline's stages and collection; whatever shapes its rows is in its fingerprint."""
    document = DocumentSettings(chunks, options.limits.pages, arguments.ocr == "auto", captioner is not None)

    def build(differences: Dataset, resources: Resources, observe: Reporter, reuse: Reuse) -> Dataset:
        parsed = map_objects(
            differences,
            parse_documents,
            resources,
            tokenizer_json=model.tokenizer_json,
            settings=ParseSettings(document, options.max_object_bytes, options.limits),
            observe=observe,
            before_embedding=reuse.stored,
        )
        if captioner is not None:
            pool = resources.pools["caption"]
            parsed = map_model(parsed, CaptionFigures, pool, GPU_FIGURES, model=captioner.name, observe=observe)
        return map_model(
            parsed,
            EmbedTexts,
            resources.pools["embed"],
            GPU_BATCH,
            model=model.name,
            dimension=model.dimension,
            observe=observe,
            known=reuse.known,
        )

    shape = {"model": model.identity, "tokens": chunks.tokens, "overlap": chunks.overlap, "ocr": document.ocr}
    models = [ModelStage("embed", model.weight_bytes, batch_size=arguments.embedding_batch_size)]
    if captioner is not None:
        shape["captions"] = f"{captioner.identity} {PROMPT} {FIGURES_REVISION}"
        models.append(ModelStage("caption", captioner.weight_bytes, 2.0, arguments.caption_batch_size))
    return Pipeline(
        name="pdfs",
        unit="chunks",
        suffixes=(".pdf",),
        collections=(Collection(DOCUMENTS, model.dimension, model.name),),
        model=model.identity,
        models=tuple(models),
        fingerprint=fingerprint("pdfs", REVISION, shape),
        build=build,
    )


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    add_common_flags(parser)
    parser.add_argument("--embedding-model", default="BAAI/bge-m3", metavar="NAME",
                        help="sentence-transformers model by hub name or path (default: BAAI/bge-m3)")  # fmt: skip
    parser.add_argument("--embedding-batch-size", type=int, default=32, metavar="N", help="chunks per forward pass")
    parser.add_argument("--chunk-tokens", type=int, default=200, metavar="N",
                        help="largest chunk, in tokens of the model (default: 200)")  # fmt: skip
    parser.add_argument("--chunk-overlap", type=int, default=0, metavar="N",
                        help="tokens that a chunk repeats of the one before (default: 0)")  # fmt: skip
    parser.add_argument("--ocr", choices=("auto", "off"), default="auto",
                        help="read pages without a usable text layer from their picture (default: auto)")  # fmt: skip
    parser.add_argument("--caption-model", default="", metavar="NAME",
                        help="vision-language model that describes figures (default: none)")  # fmt: skip
    parser.add_argument("--caption-batch-size", type=positive_count, default=8, metavar="N",
                        help="figures per forward pass (default: 8)")  # fmt: skip
    arguments = parser.parse_args(argv)

    def work() -> Report:
        options = options_from(arguments)
        if not 0 <= arguments.chunk_overlap < arguments.chunk_tokens or arguments.embedding_batch_size < 1:
            raise ConfigurationError(
                "--chunk-tokens must be above --chunk-overlap, which must not be negative, and "
                "--embedding-batch-size at least 1"
            )
        model = describe(arguments.embedding_model)
        if arguments.chunk_tokens > model.max_tokens:
            raise ConfigurationError(
                f"--chunk-tokens {arguments.chunk_tokens} is more than {arguments.embedding_model!r} reads "
                f"({model.max_tokens}); the rest of each chunk would be lost"
            )
        chunks = ChunkSettings(arguments.chunk_tokens, arguments.chunk_overlap)
        captioner = describe_captioner(arguments.caption_model) if arguments.caption_model else None
        return run(pdf_pipeline(model, captioner, chunks, arguments, options), options, say)

    return finish(work, arguments.report)


if __name__ == "__main__":
    sys.exit(main())
