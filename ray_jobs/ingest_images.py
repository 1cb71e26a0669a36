"""Turn the images under a prefix into vectors in Milvus that texts and images find.

As a Ray job:  ray job submit --working-dir ray_jobs -- python ingest_images.py --source s3://... --milvus-uri http://...
By hand:       python ray_jobs/ingest_images.py --source ./photos --milvus-uri http://127.0.0.1:19530

Reads the credentials of the object store from AWS_* and AWS_ENDPOINT_URL, and the token of Milvus from MILVUS_TOKEN.
Exit codes: 0 done, 2 bad arguments or configuration, 3 too many objects failed, 4 a dependency is unreachable, 1 else.
"""

from __future__ import annotations

from ingest.pipelines.images import FLAGS, image_pipeline
from ingest.run.command_line import ingest
from ingest.run.script import end


def main(argv: list[str] | None = None) -> int:
    return ingest(argv, __doc__.split("\n")[0], FLAGS, image_pipeline)


if __name__ == "__main__":
    end(main())
