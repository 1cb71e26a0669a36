"""LangChain's `index()` with its SQL record manager and its Milvus store: it skips what it has written before."""

from collections.abc import Iterator

import pymupdf
from job import BATCH, CHUNK_TOKENS, COLLECTION, HNSW, Job
from langchain_classic.indexes import SQLRecordManager, index
from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_milvus import Milvus
from langchain_text_splitters import RecursiveCharacterTextSplitter
from transformers import AutoTokenizer


def pages(job: Job) -> Iterator[Document]:
    """The text of each page."""
    for key in job.names():
        with pymupdf.open(stream=job.read(key), filetype="pdf") as document:
            for number, page in enumerate(document, start=1):
                yield Document(page.get_text(), metadata={"source": key, "page": number})


def main() -> None:
    job = Job.from_command_line()
    encode = {"batch_size": BATCH, "normalize_embeddings": True}
    model = HuggingFaceEmbeddings(model_name=job.text_model, model_kwargs={"device": "cpu"}, encode_kwargs=encode)
    store = Milvus(model, COLLECTION, connection_args={"uri": job.milvus}, index_params=HNSW)
    records = SQLRecordManager("milvus/rows", db_url=f"sqlite:///{job.state}/records.sql")
    records.create_schema()
    tokenizer = AutoTokenizer.from_pretrained(job.text_model)
    splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
        tokenizer, chunk_size=CHUNK_TOKENS, chunk_overlap=0
    )
    chunks = splitter.split_documents(pages(job))
    print(index(chunks, records, store, cleanup="full", source_id_key="source", key_encoder="blake2b"))


if __name__ == "__main__":
    main()
