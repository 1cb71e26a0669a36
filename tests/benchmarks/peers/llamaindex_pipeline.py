"""LlamaIndex's IngestionPipeline with a document store and its Milvus store: it skips documents without changes."""

import os
import shutil
from pathlib import Path

import llama_index.core
import pymupdf
from job import BATCH, CHUNK_TOKENS, COLLECTION, HNSW, Job
from llama_index.core import Document
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.milvus import MilvusVectorStore
from transformers import AutoTokenizer


def documents(job: Job) -> list[Document]:
    """The text of each file."""
    found = []
    for key in job.names():
        with pymupdf.open(stream=job.read(key), filetype="pdf") as document:
            found.append(Document(text="".join(page.get_text() for page in document), id_=key))
    return found


def main() -> None:
    job = Job.from_command_line()
    # A copy, since NLTK refuses files with several hard links, which uv makes.
    bundled = Path(llama_index.core.__file__).parent / "_static" / "nltk_cache"
    os.environ["NLTK_DATA"] = shutil.copytree(bundled, f"{job.state}/nltk", dirs_exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(job.text_model)
    index = {"index_type": HNSW["index_type"], **HNSW["params"]}
    store = MilvusVectorStore(
        job.milvus, collection_name=COLLECTION, dim=384, index_config=index, similarity_metric="COSINE"
    )
    pipeline = IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=0, tokenizer=tokenizer.tokenize),
            HuggingFaceEmbedding(job.text_model, embed_batch_size=BATCH, device="cpu"),
        ],
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        vector_store=store,
    )
    state = Path(job.state, "pipeline")
    if state.exists():
        pipeline.load(str(state))
    pipeline.run(documents=documents(job))
    pipeline.persist(str(state))


if __name__ == "__main__":
    main()
