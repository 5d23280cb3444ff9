"""What stands in the rows of the two collections of `milvus.py`."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeAlias

from qa.store.base import DocumentInfo, Indexed
from qa.store.lexical import folded
from qa.types import Document

LONGEST_FIELD = 65_535  # bytes of a VARCHAR
PART = 60_000  # characters of a document's packed text in one row
NO_WORD = "xnowordx"  # stands in for a text without words, which the engine's BM25 does not take
INFO, SKIPPED, SETTINGS, CHANGED, UNFINISHED = -1, -2, -3, -4, -5
"""What a row of NAME_documents is, where it is no part of a text (0, 1, …)."""

Schema: TypeAlias = Callable[[Any, Any], None]
"""Adds fields to a schema and indexes to index parameters, both of pymilvus."""


def documents_schema(milvus: Any) -> Schema:
    """NAME_documents."""
    kinds = milvus.DataType

    def make(schema: Any, indexes: Any) -> None:
        schema.add_field("key", kinds.INT64, is_primary=True)
        schema.add_field("document", kinds.INT64)
        schema.add_field("part", kinds.INT64)
        schema.add_field("version", kinds.VARCHAR, max_length=64)
        schema.add_field("data", kinds.VARCHAR, max_length=LONGEST_FIELD, mmap_enabled=True)
        schema.add_field("unused", kinds.FLOAT_VECTOR, dim=2)  # a collection must have a vector
        indexes.add_index("unused", index_type="FLAT", metric_type="L2")

    return make


def passages_schema(milvus: Any, dimension: int) -> Schema:
    """NAME, for vectors of this many numbers. Texts are mapped from disk: an engine that loads a collection
    would otherwise hold them in memory."""
    kinds, function = milvus.DataType, milvus.Function

    def make(schema: Any, indexes: Any) -> None:
        schema.add_field("key", kinds.INT64, is_primary=True)
        schema.add_field("id", kinds.INT64)
        schema.add_field("document", kinds.INT64)
        schema.add_field("version", kinds.VARCHAR, max_length=64)
        schema.add_field("document_id", kinds.VARCHAR, max_length=LONGEST_FIELD)
        schema.add_field("start", kinds.INT64)
        schema.add_field("end", kinds.INT64)
        schema.add_field("text", kinds.VARCHAR, max_length=LONGEST_FIELD, mmap_enabled=True)
        schema.add_field(
            "words",
            kinds.VARCHAR,
            max_length=LONGEST_FIELD,
            enable_analyzer=True,
            mmap_enabled=True,
            analyzer_params={"tokenizer": "standard"},  # the rest is done: `folded`
        )
        schema.add_field("vector", kinds.FLOAT_VECTOR, dim=dimension)
        schema.add_field("bm25", kinds.SPARSE_FLOAT_VECTOR)
        schema.add_function(
            function(
                name="bm25",
                function_type=milvus.FunctionType.BM25,
                input_field_names=["words"],
                output_field_names=["bm25"],
            )
        )
        indexes.add_index(
            "vector", index_type="HNSW", metric_type="IP", params={"M": 16, "efConstruction": 200}
        )
        indexes.add_index("bm25", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")

    return make


def key_of(*parts: object) -> int:
    """63 bits that stand for these words."""
    digest = sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def new_row(key: int, document: int, part: int, version: str, data: str) -> dict[str, Any]:
    return {
        "key": key,
        "document": document,
        "part": part,
        "version": version,
        "data": data,
        "unused": [0.0, 0.0],
    }


def unfinished_row(document: int, begun: float) -> dict[str, Any]:
    """That a document, by its key, is being written or removed since `begun`, seconds since 1970. The row
    does not belong to the document, whose rows may be deleted meanwhile."""
    return new_row(key_of("unfinished", document), 0, UNFINISHED, "", json.dumps([document, begun]))


def prepared(item: Indexed) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The row that says which version counts, the rows of the text, the rows of the passages."""
    document = item.document
    packed = _packed(document)
    key, version = key_of(document.id), sha256(packed.encode()).hexdigest()
    texts = [packed[start : start + PART] for start in range(0, len(packed), PART)]
    info = {
        "id": document.id,
        "title": document.title,
        "date": document.date,
        "path": document.path,
        "sha256": document.sha256,
        "characters": len(document.text),
        "passages": len(item.passages),
        "parts": len(texts),
    }
    passages = []
    for passage, vector in zip(item.passages, item.vectors, strict=True):
        text = document.text[passage.start : passage.end]
        passages.append(
            {
                "key": key_of(document.id, version, passage.id),
                "id": passage.id,
                "document": key,
                "version": version,
                "document_id": document.id,
                "start": passage.start,
                "end": passage.end,
                "text": text if len(text.encode()) <= LONGEST_FIELD else "",
                "words": _cut(folded(f"{document.title}\n{text}")) or NO_WORD,
                "vector": vector.tolist(),
            }
        )
    return (
        new_row(key, key, INFO, version, json.dumps(info)),
        [new_row(key_of(document.id, version, n), key, n, version, part) for n, part in enumerate(texts)],
        passages,
    )


def _cut(words: str) -> str:
    return words.encode()[:LONGEST_FIELD].decode(errors="ignore")


def _packed(document: Document) -> str:
    whole = [
        document.text,
        document.pages,
        document.hidden,
        document.sentences,
        document.url,
        document.date_source,
    ]
    return b64encode(zlib.compress(json.dumps([document.title, document.path, *whole]).encode())).decode()


def unpacked(packed: str, info: DocumentInfo) -> Document:
    title, path, text, pages, hidden, sentences, url, date_source = json.loads(
        zlib.decompress(b64decode(packed))
    )
    return Document(
        info.id,
        title,
        text,
        path,
        info.sha256,
        info.date,
        None if pages is None else tuple(pages),
        tuple(map(tuple, hidden)),
        tuple(map(tuple, sentences)),
        url,
        date_source,
    )


def info_of(data: str) -> DocumentInfo:
    fields = json.loads(data)
    del fields["parts"]
    return DocumentInfo(**fields)
