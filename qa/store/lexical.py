"""The derived folder: words of passages arranged for search by tantivy (BM25; Robertson and Zaragoza 2009).

It belongs to one generation of the database, which a mark among its entries names; entries and mark change
in one commit, so that a killed run leaves the earlier state. A folder that is missing or damaged is made
again, one of an earlier generation is brought up to date with what changed since.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol

from qa.errors import BadIndex
from qa.store.vectors import REBUILT_FROM, Ids
from qa.words import FUNCTION_WORDS

MARK = -1  # the id of the entry that holds the generation
MADE_AGAIN_UP_TO = 5_000  # passages: takes a second, and leaves no trace of removed ones in the scores
HEAP = 128 * 2**20  # bytes: more passages than fit are written in several parts
BUSY_SECONDS = 600  # how long to wait for another process that arranges the same words
LONGEST_WORD = 200  # characters: what is longer is no word
MOST_TERMS = 64  # of a query
WORD = re.compile(r"\d{1,3}(?:,\d{3})+\b|\w+")  # 1,200 is one word


class Texts(Protocol):
    """The texts of one generation of a database, each (passage id, document id, title and text)."""

    def count(self) -> int: ...

    def texts(self) -> Iterator[tuple[int, str, str]]: ...

    def texts_of(self, ids: Ids) -> Iterator[tuple[int, str, str]]: ...

    def changed_since(self, generation: int) -> Ids:
        """The ids that were added, replaced or removed after this generation."""


class WordFolder:
    """The tantivy index of one generation of a database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._index: Any = None
        self.generation = -1  # of the passages that are searched

    def refresh(self, generation: int, passages: Texts) -> None:
        """Make sure that the index is the one of this generation."""
        if self.generation == generation:
            return
        if self._index is None:
            self._index = self._open()
        self.generation = _generation(self._index)
        if self.generation != generation:
            self._write(generation, passages)
            self._index.reload()
            self.generation = generation

    def search(self, question: str, k: int, documents: Collection[str] | None) -> list[tuple[int, float]]:
        """The k passages with the highest BM25, as (id, score); best first, ties by id."""
        terms = _terms(question)
        if not terms:
            return []
        searcher = self._index.searcher()
        query = self._query(terms, documents)
        ask = k + 1
        hits = searcher.search(query, ask, count=False).hits
        while len(hits) == ask and hits[k - 1][0] == hits[-1][0]:  # copies: all, to be ordered by id
            ask *= 2
            hits = searcher.search(query, ask, count=False).hits
        ids = searcher.fast_field_values("id", [address for _, address in hits])
        found = [(int(id_), float(score)) for id_, (score, _) in zip(ids, hits, strict=True)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]

    def close(self) -> None:
        """Let go of the files, which are mapped into memory."""
        self._index, self.generation = None, -1

    def _open(self) -> Any:
        """The index on disk, made where it is missing or damaged; in memory where nothing can be written."""
        try:
            self._path.mkdir(exist_ok=True)
            try:
                index = _index(str(self._path))
                _generation(index)
            except (ValueError, OSError):  # damaged, or made by another version
                shutil.rmtree(self._path)
                self._path.mkdir()
                index = _index(str(self._path))
        except (ValueError, OSError):
            index = _index(None)
        return index

    def _write(self, generation: int, passages: Texts) -> None:
        """Bring the index to this generation, or wait until another process has."""
        until = monotonic() + BUSY_SECONDS
        while True:
            try:
                writer = self._index.writer(HEAP, num_threads=1)
                written = _generation(self._index)  # now that nobody else writes
                if written != generation:
                    _bring(writer, written, generation, passages)
                writer.wait_merging_threads()
                break
            except ValueError as error:
                if "LockBusy" not in str(error):  # a folder that cannot be written to, a full disk
                    self._index = _index(None)
                elif monotonic() > until:
                    raise BadIndex(
                        f"The words of the index in {self._path} are being arranged by another run for "
                        f"{BUSY_SECONDS} seconds; wait for it, then ask again: qa ask …"
                    ) from error
                else:
                    sleep(0.1)

    def _query(self, terms: Iterable[str], documents: Collection[str] | None) -> Any:
        import tantivy  # noqa: PLC0415

        schema, query = self._index.schema, tantivy.Query
        analyzer = _analyzer()
        words = [tuple(analyzer.analyze(term)) for term in terms]
        alternatives = [
            (
                tantivy.Occur.Should,
                query.term_query(schema, "text", term[0], "freq")
                if len(term) == 1
                else query.phrase_query(schema, "text", list(term)),
            )
            for term in dict.fromkeys(words)
            if term
        ]
        whole = query.boolean_query(alternatives)
        if documents is None:
            return whole
        chosen = query.const_score_query(query.term_set_query(schema, "document", sorted(documents)), 0.0)
        return query.boolean_query([(tantivy.Occur.Must, whole), (tantivy.Occur.Must, chosen)])


def _index(path: str | None) -> Any:
    """The index in this folder, or in memory."""
    import tantivy  # noqa: PLC0415

    fields = tantivy.SchemaBuilder()
    fields.add_integer_field("id", indexed=True, fast=True)
    fields.add_integer_field("generation", stored=True)
    fields.add_text_field("document", tokenizer_name="raw", index_option="basic")
    fields.add_text_field("text", tokenizer_name="words")
    index = tantivy.Index(fields.build(), path)
    index.register_tokenizer("words", _analyzer())
    return index


def _generation(index: Any) -> int:
    """The generation of the last commit; −1 where there was none."""
    import tantivy  # noqa: PLC0415

    index.reload()
    searcher = index.searcher()
    hits = searcher.search(tantivy.Query.term_query(index.schema, "id", MARK), 1, count=False).hits
    return int(searcher.doc(hits[0][1])["generation"][0]) if hits else -1


def _bring(writer: Any, written: int, generation: int, passages: Texts) -> None:
    """Write what changed since the generation that is there, and the mark, in one commit."""
    import tantivy  # noqa: PLC0415

    count = passages.count()
    changed = passages.changed_since(written) if 0 <= written < generation else None
    if changed is None or count <= MADE_AGAIN_UP_TO or len(changed) > REBUILT_FROM * count:
        writer.delete_all_documents()
        added = passages.texts()
    else:
        writer.delete_documents_by_term("id", MARK)
        for id_ in changed.tolist():
            writer.delete_documents_by_term("id", id_)
        added = passages.texts_of(changed)
    for id_, document_id, text in added:
        writer.add_document(tantivy.Document(id=id_, document=document_id, text=text))
    writer.add_document(tantivy.Document(id=MARK, generation=generation))
    writer.commit()


def _analyzer() -> Any:
    """Words as they are searched: lower case, without accents, by their stem (Porter 2)."""
    import tantivy  # noqa: PLC0415

    words = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in (
        tantivy.Filter.remove_long(LONGEST_WORD),
        tantivy.Filter.lowercase(),
        tantivy.Filter.ascii_fold(),
        tantivy.Filter.stemmer("english"),
    ):
        words = words.filter(step)
    return words.build()


def _terms(question: str) -> list[str]:
    """The words to look for, at most MOST_TERMS; stop words only where there is nothing else. A number is
    looked for as it is written with and without commas."""
    words = list(dict.fromkeys(WORD.findall(question.lower())))
    telling = [word for word in words if word not in FUNCTION_WORDS] or words
    forms = (form for word in telling for form in (_written(word) if word[0].isdigit() else [word]))
    return list(dict.fromkeys(forms))[:MOST_TERMS]


def folded(text: str) -> str:
    """The words of a text as they are searched, for engines that count words and cut no text: parted by
    spaces, numbers without their commas."""
    analyzer = _analyzer()
    words = (word.replace(",", "") for word in WORD.findall(text.lower()))
    return " ".join(form for word in words for form in analyzer.analyze(word))


def folded_query(question: str) -> str:
    """The words to look for in what `folded` gives."""
    terms = {term.replace(",", "") for term in _terms(question)}
    return folded(" ".join(sorted(terms)))


def _written(number: str) -> list[str]:
    """1,200 and 1200 → both; a comma parts words."""
    digits = number.replace(",", "")
    if not digits.isdecimal() or len(digits) < 4 or digits[0] == "0":
        return [number]
    return [digits, f"{int(digits):,}"]
