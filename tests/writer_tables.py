"""A pair of collections, and what runs over a few objects do with them: for the tests of the writer."""

import uuid

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.objects import StoredObject
from ingest.ledger.diff import Change, diff
from ingest.ledger.entries import read_ledger
from ingest.ledger.parts import ObjectPart, Target
from ingest.ledger.tries import RELABELLED, TRIES
from ingest.ledger.writer import ObjectWriter
from ingest.milvus.schema import DOCUMENTS, ensure_rows, ensure_sources

DIMENSION = 4
FINGERPRINT = "f1"
ROOT = "s3://bucket/day/"
BROKEN = ObjectError(Failure.ENCRYPTED, "the PDF needs a password")
CRASHED = ObjectError(Failure.CRASHED, "the file crashed its parser (SIGSEGV)")
A, B, C, D, E = (f"{ROOT}{letter}.pdf" for letter in "abcde")


class Tables:
    """A pair of collections and how a run of a few objects uses them."""

    def __init__(self, client):
        self.client = client
        suffix = uuid.uuid4().hex
        self.rows_name, self.ledger_name = f"writer_rows_{suffix}", f"writer_ledger_{suffix}"
        ensure_rows(client, DOCUMENTS, self.rows_name, DIMENSION)
        ensure_sources(client, self.ledger_name, DIMENSION)

    def target(self, clean_new=False, fingerprint=FINGERPRINT, run_id="run"):
        return Target((self.rows_name,), self.ledger_name, DIMENSION, "pdfs", fingerprint, run_id, clean_new)

    def writer(self, client=None, **target):
        return ObjectWriter(client or self.client, self.target(**target))

    def run(self, contents, client=None, fingerprint=FINGERPRINT, run_id="run"):
        """What a run does with a store that holds `contents`: {source: (version, texts or an ObjectError)}."""
        client = client or self.client
        listing = [StoredObject(source, contents[source][0], 1) for source in sorted(contents)]
        differences = list(diff(listing, read_ledger(client, self.ledger_name, ROOT, "pdfs"), fingerprint))
        work = [d for d in differences if d.change not in (Change.UNCHANGED, Change.MISSING)]
        missing = [d.source for d in differences if d.change is Change.MISSING]
        writer = self.writer(client, clean_new=bool(self.rows()), fingerprint=fingerprint, run_id=run_id)
        if work:
            writer.write([part(d.source, d.version, contents[d.source][1], d.change, d.attempts) for d in work])
        if missing:
            writer.remove(missing)
        return [(d.source, str(d.change)) for d in differences]

    def rows(self):
        return self._all(self.rows_name, "id", ["source", "version", "ordinal", "page", "kind", "text", "embedding"])

    def ledger(self):
        """The ledger without the tries before the last ones, which a clean run has none of."""
        found = self.ledger_with_tries()
        known = (TRIES, RELABELLED)
        return [{**row, "metadata": {k: v for k, v in row["metadata"].items() if k not in known}} for row in found]

    def ledger_with_tries(self):
        fields = "pipeline version size status rows stage error_type error_message attempts fingerprint metadata vector"
        return self._all(self.ledger_name, "source", fields.split())

    def state(self):
        return self.rows(), self.ledger()

    def settled(self):
        """The state without the attempts of failed objects, which each further run counts up."""
        rows, ledger = self.state()
        return rows, [{**row, "attempts": row["attempts"] if row["status"] == "ok" else None} for row in ledger]

    def _all(self, name, key, fields):
        found = self.client.query(
            name, filter=f'{key} != ""', output_fields=[key, *fields], limit=10_000, consistency_level="Strong"
        )
        return sorted(({**row, **vectors(row)} for row in found), key=lambda row: row[key])


def vectors(row):
    return {name: [round(float(x), 5) for x in row[name]] for name in ("embedding", "vector") if name in row}


def vector(text):
    """A vector that depends on nothing but the text."""
    return np.random.default_rng(list(text.encode(errors="surrogatepass"))).random(DIMENSION, np.float32)


def part(source, version, content, change=Change.NEW, attempts=0, first=0, total=None):
    failure = content if isinstance(content, ObjectError) else None
    texts = [] if failure else content
    return ObjectPart(
        source=source,
        version=version,
        size=1,
        attempts=attempts,
        change=change,
        first=first,
        totals=(len(texts) if total is None else total,),
        rows=[{"page": n + 1, "kind": "text", "text": text, "metadata": {}} for n, text in enumerate(texts, first)],
        vectors=np.array([vector(text) for text in texts], np.float32).reshape(-1, DIMENSION),
        metadata={} if failure else {"pages": 3},
        failure=failure,
    )


class Calls:
    """A real client that notes its calls, and from the call number `last` on raises instead of doing it."""

    def __init__(self, client, last=None):
        self._client = client
        self._last = last
        self.made = []

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name == "get_server_version":  # it neither reads nor writes rows
            return method

        def call(collection, *args, **kwargs):
            if self._last is not None and len(self.made) >= self._last:
                raise ConnectionError(f"no {name} of {collection}")
            kind = "ledger" if "ledger" in collection else "rows"
            self.made.append(f"{name} {kind}")
            return method(collection, *args, **kwargs)

        return call


def many(count):
    return [f"chunk {n}" for n in range(count)]
