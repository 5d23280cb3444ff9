"""Folder → files → Documents: what is found, what is passed over, and what each format gives."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from time import perf_counter

import docx
import pytest
from reportlab.lib import pdfencrypt
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen import canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

from qa.corpus import Found, Skipped, load, sha256, walk
from qa.corpus import formats as formats_module
from qa.errors import BadCorpus, UnreadableFile
from qa.types import Document

SEEDS = Path(__file__).parent.parent / "seeds"

ARTICLE = """<html><head><title>Mission grows | The Site</title>
<meta property="og:title" content="NATO agrees bigger mission">
<meta property="article:published_time" content="2016-05-19T10:00:00Z"></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/sports">All the sports</a></li></ul></nav>
<article><h1>NATO agrees bigger mission</h1>
<p>NATO agreed on May 19 to broaden its operations in the Mediterranean to help the European Union.</p>
<p>John Kerry said that a meeting of <b>foreign ministers</b> supported the wider role of the Alliance.</p>
<table><tr><td>Ships</td><td>12</td></tr></table></article>
<footer>Subscribe to our newsletter, dear visitor</footer><script>var secret = 1</script></body></html>"""


def read(path: Path, data: bytes | None = None) -> Document:
    if data is not None:
        path.write_bytes(data)
    return load(Found(path.name, path, path.stat().st_size))


def pdf(*pages: list[str], title: str = "", password: str | None = None) -> bytes:
    out = io.BytesIO()
    encryption = pdfencrypt.StandardEncryption(password, ownerPassword="owner") if password else None
    sheet = canvas.Canvas(out, encrypt=encryption)
    sheet.setTitle(title)
    for page in pages:
        for i, line in enumerate(page):
            sheet.drawString(72, 800 - 14 * i, line)
        sheet.showPage()
    sheet.save()
    return out.getvalue()


def word(build=lambda document: document.add_paragraph("Hello.")) -> bytes:
    document = docx.Document()
    build(document)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


# The walk


def test_the_walk_is_recursive_and_ordered_with_ids_relative_to_the_folder(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.MD", "a/b/c.Html", "c.htm", "d.PDF", "e.docx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")

    found, skipped = walk(tmp_path)

    assert [file.id for file in found] == ["a/b/c.Html", "a/z.MD", "b.txt", "c.htm", "d.PDF", "e.docx"]
    assert all(file.path == tmp_path / file.id and file.size == 5 for file in found)
    assert skipped == []


def test_what_the_walk_passes_over_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / ".git/objects").mkdir(parents=True)
    (tmp_path / ".git/objects/a.txt").write_text("x")
    (tmp_path / ".notes.txt").write_text("x")
    (tmp_path / "photo.jpeg").write_text("x")
    (tmp_path / "README").write_text("x")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    os.mkfifo(tmp_path / "pipe.txt")

    found, skipped = walk(tmp_path)

    assert found == []
    kinds = "unknown type, expected .txt, .md, .html, .pdf or .docx"
    assert skipped == [
        Skipped(".git", "hidden"),
        Skipped(".notes.txt", "hidden"),
        Skipped("README", kinds),
        Skipped("empty.txt", "empty, 0 bytes"),
        Skipped("gone.txt", "a link to nothing"),
        Skipped("photo.jpeg", kinds),
        Skipped("pipe.txt", "not a file"),
    ]


def test_links_to_folders_are_followed_but_no_folder_is_read_twice(tmp_path: Path) -> None:
    outside, corpus = tmp_path / "outside", tmp_path / "corpus"
    outside.mkdir()
    (outside / "far.txt").write_text("x")
    (corpus / "real").mkdir(parents=True)
    (corpus / "real/near.txt").write_text("x")
    (corpus / "a-link").symlink_to(corpus / "real")
    (corpus / "real/loop").symlink_to(corpus)
    (corpus / "shared").symlink_to(outside)

    found, skipped = walk(corpus)

    assert [file.id for file in found] == ["real/near.txt", "shared/far.txt"]
    assert [skip.path for skip in skipped] == ["a-link", "real/loop"]


def test_a_name_that_is_not_unicode_is_passed_over_and_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    found, skipped = walk(tmp_path)
    assert found == []
    assert skipped == [Skipped("caf\\udce9.txt", "its name is not valid Unicode")]


def test_a_missing_folder_and_a_file_in_its_place_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(BadCorpus, match=r"nowhere is missing; expected a folder .*: qa index FOLDER$"):
        walk(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(BadCorpus, match=r"a\.txt is a file; expected a folder .*: qa index FOLDER$"):
        walk(tmp_path / "a.txt")


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert walk(tmp_path) == ([], [])


# Text


def test_a_document_carries_the_hash_of_its_bytes(tmp_path: Path) -> None:
    document = read(tmp_path / "a.txt", b"\xef\xbb\xbfHello.\r\n")
    assert document.sha256 == hashlib.sha256(b"\xef\xbb\xbfHello.\r\n").hexdigest()
    assert document.sha256 == sha256(tmp_path / "a.txt")
    assert (document.id, document.path) == ("a.txt", str(tmp_path / "a.txt"))
    assert (document.date, document.pages) == (None, None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_text_comes_out_of_every_unicode_encoding_with_its_line_endings(
    tmp_path: Path, encoding: str
) -> None:
    text = "A first line, naïve.\r\nA second – one.\rA third 😀 one.\n\u2028The end of it all.\n" * 3
    assert read(tmp_path / "a.txt", text.encode(encoding)).text == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Der Außenminister erklärte in Köln, die Flüchtlinge müssten überall Schutz genießen. "),
        ("cp1251", "Министр иностранных дел заявил, что переговоры пройдут в Москве в следующем месяце. "),
        ("shift_jis", "外務大臣は来月モスクワで会談が行われると述べた。難民の保護が必要である。"),
        ("gb18030", "外交部长表示，会谈将于下个月在莫斯科举行。难民需要得到保护。"),
    ],
)
def test_legacy_encodings_are_recognised_even_late_in_a_file(
    tmp_path: Path, encoding: str, text: str
) -> None:
    whole = "Plain ASCII comes first.\r\n" * 4000 + (text * 3 + "\r\n") * 20
    assert read(tmp_path / "a.txt", whole.encode(encoding)).text == whole


def test_a_few_damaged_bytes_do_not_make_a_text_unreadable(tmp_path: Path) -> None:
    accented = "“Naïve” – the café. " * 20
    assert read(tmp_path / "a.txt", accented.encode() + b"\xff\xc3").text == accented + "\ufffd\ufffd"
    plain = "Plain words in the text. " * 20
    assert read(tmp_path / "b.txt", plain.encode() + b"\x01\x81\xff\x9d.").text.startswith(plain)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 20,
        bytes(range(1, 32)) * 50,
        b"\xff\xfe" + bytes(range(255, 0, -1)) * 21,
        b"some words\0and more",
    ],
    ids=["png", "control characters", "broken utf-16", "nul"],
)
def test_binary_data_named_txt_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(
        UnreadableFile, match=r"^a\.txt is not text but binary data, .*`qa index FOLDER` again$"
    ):
        read(tmp_path / "a.txt", data)


def test_a_file_of_white_space_holds_no_text(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.txt holds no text"):
        read(tmp_path / "a.txt", b" \r\n\t\n")


def test_a_file_that_vanished_after_the_walk_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.txt cannot be opened \(No such file"):
        load(Found("a.txt", tmp_path / "a.txt", 5))


@pytest.mark.slow
def test_a_text_file_of_50_megabytes_loads(tmp_path: Path) -> None:
    line = "Ship {} left the port of Tripoli. It carried {} people, said the captain of the coast guard.\n"
    with (tmp_path / "big.txt").open("w") as file:
        size = i = 0
        while size < 50 * 2**20:
            size += file.write(line.format(i, i * 7))
            i += 1
    begin = perf_counter()
    document = read(tmp_path / "big.txt")
    assert perf_counter() - begin < 120
    assert len(document.text) == size
    assert len(document.sentences) == 2 * i
    assert document.hidden == ()


# Titles


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("NATO agrees bigger mission\n\nNATO agreed on May 19.", "NATO agrees bigger mission"),
        ("\r\n  Who won?  \r\n\r\nNobody did.", "Who won?"),
        (
            "Rush to the cemetery\nTwenty-three survivors suffered burns from exposure to fuel, he said.",
            "Rush to the cemetery",
        ),
        ("NATO agreed on May 19. It was late.\n\nMore followed.", "NATO agreed on May 19."),
        ("Milk\nEggs\nBread\n", "Milk"),
        (
            "The ministers who met " + "and talked " * 20 + "went home. They slept.",
            "The ministers who met" + " and talked" * 8 + " and…",
        ),
        ("***\n\nThe text.", "***"),
        (
            "The Harbour Act 1.1\n===================\n\n1. Terms\n--------\n\nNobody may.",
            "The Harbour Act 1.1",
        ),
        ("=========\n The Act\n=========\nNobody may sail.", "The Act"),
    ],
)
def test_the_title_is_the_headline_or_else_the_first_sentence(tmp_path: Path, text: str, title: str) -> None:
    assert read(tmp_path / "a.txt", text.encode()).title == title


def test_the_seeds_have_their_headlines_as_titles() -> None:
    titles = [load(found).title for found in walk(SEEDS)[0]]
    assert titles == [
        "NATO agrees bigger Mediterranean mission to stop smugglers",
        "LONDON - A NATO-led mission aimed at stemming the flow of migrants from Libya to Europe could be "
        "up and running by…",
        "The European Union has begun training the Libyan coast guard as part of efforts to curb the growing "
        "influx of irregular…",
        "Joint operations room for migrant smuggling on the way",
        "NATO, Russia vow closer military ties, intelligence share",
    ]


def test_a_markdown_heading_is_the_title_but_not_a_comment_in_code(tmp_path: Path) -> None:
    text = b"Some intro.\r\n\r\n# The *great* plan ##\r\n\r\nText.\r\n"
    assert read(tmp_path / "a.md", text).title == "The *great* plan"
    assert read(tmp_path / "a.md", text).text == text.decode()
    assert read(tmp_path / "b.md", b"Run it.\n```\n# install\nmake\n```\n").title == "Run it."


# Dates and web addresses


@pytest.mark.parametrize(
    ("name", "text", "date", "url"),
    [
        (
            "a.md",
            '---\ntitle: "The plan"\ndate: 2021-03-04 10:00\nurl: https://a.org/p?x=1&y=2#top\n---\nText.\n',
            "2021-03-04",
            "https://a.org/p?x=1&y=2",
        ),
        ("a.md", "---\r\nsource: 'http://a.org/ü'\r\n---\r\nText.\r\n", None, "http://a.org/%C3%BC"),
        ("a.md", "# A plan\n\nSource: https://a.org/\n\nText.\n", None, "https://a.org/"),
        ("a.txt", "A plan\n<https://a.org/plan>\n\nText.\n", None, "https://a.org/plan"),
        ("a.txt", "A plan\nDate: 2021-03-04\nSource: The Times\n\nText.\n", "2021-03-04", None),
        ("a.txt", "See https://a.org/ for more.\nText.\n", None, None),
        ("a.txt", "A plan\n" + "Text.\n" * 20 + "https://a.org/\n", None, None),
        ("a.txt", "Source: javascript:alert(1)\nText.\n", None, None),
        ("a.txt", "Source: https://bank.org@evil.org/\nText.\n", None, None),
        ("a.txt", "Source: https://[::1\nText.\n", None, None),
        ("a.txt", 'Source: https://a.org/"onclick=x\nText.\n', None, None),
        ("a.txt", "Date: 2021-13-04\nText.\n", None, None),
    ],
)
def test_the_date_and_web_address_are_those_that_the_head_of_a_text_states(
    tmp_path: Path, name: str, text: str, date: str | None, url: str | None
) -> None:
    document = read(tmp_path / name, text.encode())
    assert (document.date, document.url, document.text) == (date, url, text)


def test_front_matter_names_the_title(tmp_path: Path) -> None:
    text = b"---\ntitle: 'The plan'\n---\n\n# Something else\n\nText.\n"
    assert read(tmp_path / "a.md", text).title == "The plan"


@pytest.mark.parametrize(
    "head",
    [
        "<p align='center'>\n  <img src='a.png'>\n</p>\n\n<em>The old quay</em>",
        "[![Build](a.svg)](https://a.org)\n\n[The old quay](https://b.org)",
        "<!--\nLicensed to all.\n-->\n\nThe old quay",
        "# **The old quay** ![](a.png)",
    ],
)
def test_a_title_is_without_markup(tmp_path: Path, head: str) -> None:
    text = f"{head}\n\n" + "Nobody may sail. " * 9
    assert read(tmp_path / "a.md", text.encode()).title == "The old quay"


@pytest.mark.parametrize(
    "body", ["The old quay is long.", "The old quay is long.\n\n" + "Nobody may sail. " * 9]
)
def test_front_matter_without_a_title_is_no_title_itself(tmp_path: Path, body: str) -> None:
    text = f"---\ntags: [ship, sea]\naliases:\n  - quay\n---\n{body}\n"
    assert read(tmp_path / "a.md", text.encode()).title == "The old quay is long."


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ('<link rel="canonical" href="https://a.org/article">', "https://a.org/article"),
        ('<meta property="og:url" content="https://a.org/og">', "https://a.org/og"),
        ('<link rel="canonical" href="javascript:alert(1)">', None),
        ("", None),
    ],
)
def test_a_web_page_gives_the_address_that_it_states(tmp_path: Path, link: str, url: str | None) -> None:
    assert read(tmp_path / "a.html", ARTICLE.replace("<head>", f"<head>{link}").encode()).url == url


# HTML


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("The quay - A handbook of ports", "The quay"),
        ("The quay", "The quay"),
        ("Something else", "A handbook of ports"),
        ("The quays", "A handbook of ports"),
    ],
)
def test_a_web_page_is_named_by_the_heading_that_its_title_begins_with(
    tmp_path: Path, title: str, expected: str
) -> None:
    page = (
        f"<html><head><title>{title}</title></head><body><header><h1>A handbook of ports</h1></header>"
        f"<main><h2>The quay</h2><p>{'The old quay of the town is long, nobody may sail. ' * 9}</p></main>"
        "</body></html>"
    )
    assert read(tmp_path / "a.html", page.encode()).title == expected


def test_a_web_page_gives_its_main_content_title_and_date(tmp_path: Path) -> None:
    document = read(tmp_path / "a.html", ARTICLE.encode())
    assert document.title == "NATO agrees bigger mission"
    assert document.date == "2016-05-19"
    assert "NATO agreed on May 19 to broaden its operations" in document.text
    assert "meeting of foreign ministers supported" in document.text
    assert "Ships | 12" in document.text
    for furniture in ("sports", "newsletter", "secret"):
        assert furniture not in document.text


def test_a_web_page_in_a_legacy_encoding_is_read_as_it_declares(tmp_path: Path) -> None:
    page = ARTICLE.replace("<head>", '<head><meta charset="windows-1251">').replace(
        "Kerry", "Керри из Москвы"
    )
    assert "John Керри из Москвы said" in read(tmp_path / "a.htm", page.encode("cp1251")).text


def test_a_date_that_a_page_does_not_state_is_not_guessed(tmp_path: Path) -> None:
    page = ARTICLE.replace("2016-05-19T10:00:00Z", "").replace("Subscribe", "Copyright 2018. Subscribe")
    assert read(tmp_path / "a.html", page.encode()).date is None


def test_a_fragment_of_html_is_read_and_a_page_without_text_refused(tmp_path: Path) -> None:
    assert read(tmp_path / "a.html", b"<p>Hello world, it is me.</p>").text == "Hello world, it is me."
    with pytest.raises(UnreadableFile, match=r"b\.html has no main text"):
        read(tmp_path / "b.html", b"<html><head><title>T</title></head><body></body></html>")


# PDF


def test_a_pdf_keeps_its_pages_and_joins_its_lines(tmp_path: Path) -> None:
    document = read(
        tmp_path / "a.pdf",
        pdf(
            [
                "Joint operations room",
                "Libya agreed with Italy to establish a joint operations room to tackle the",
                "smugglers of migrants, according to a statement by the UN-backed govern-",
                "ment. The statement was given to Angela Merkel on Friday in the city of",
                "Berlin, where she lives.",
                "Another paragraph begins here.",
            ],
            [],
            ["The third page."],
            title="untitled",
        ),
    )
    first, second, third = document.pages or ()
    assert document.text[first:second].rstrip().split("\n") == [
        "Joint operations room",
        "Libya agreed with Italy to establish a joint operations room to tackle the smugglers of migrants, "
        "according to a statement by the UN-backed government. The statement was given to Angela Merkel "
        "on Friday in the city of Berlin, where she lives.",
        "Another paragraph begins here.",
    ]
    assert document.text[second:third].strip() == ""
    assert document.text[third:] == "The third page."
    assert document.title == "Joint operations room"


def test_typeset_pdf_paragraphs_become_one_line_each(tmp_path: Path) -> None:
    styles = getSampleStyleSheet()
    paragraph = (
        "The agreement to set up the operations room was announced after a meeting in Tripoli between the "
        "head of the UN-backed Government of National Accord (GNA), Fayez Seraj, Libyan Interior Minister "
        "Aref Khodja, and his Italian counterpart Marco Minniti. More than 600,000 have made the "
        "journey in four years."
    )
    out = io.BytesIO()
    SimpleDocTemplate(out, title="The agreement of Tripoli").build(
        [
            Paragraph("A heading", styles["Heading1"]),
            Paragraph(paragraph, styles["Normal"]),
            PageBreak(),
            Paragraph("Second. " + paragraph, styles["Normal"]),
        ]
    )
    document = read(tmp_path / "a.pdf", out.getvalue())
    assert document.text.split("\n") == ["A heading", paragraph, "", "Second. " + paragraph]
    assert document.title == "The agreement of Tripoli"
    assert document.date is not None and len(document.date) == 10


def test_a_broken_pdf_is_refused_in_one_sentence(tmp_path: Path) -> None:
    for data in (b"%PDF-1.7 and then nothing", pdf(["Some text."])[:300]):
        with pytest.raises(
            UnreadableFile, match=r"^a\.pdf is not a readable PDF; .*`qa index FOLDER` again$"
        ):
            read(tmp_path / "a.pdf", data)


def test_a_pdf_with_a_password_is_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"^a\.pdf is protected by a password; save a copy without one"):
        read(tmp_path / "a.pdf", pdf(["Some text."], password="secret"))


def test_a_scanned_pdf_says_that_it_holds_no_text(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.pdf holds no text; if it is a scan"):
        read(tmp_path / "a.pdf", pdf([], []))


def test_a_pdf_of_too_many_pages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats_module, "MOST_PAGES", 2)
    assert read(tmp_path / "a.pdf", pdf(["a."], ["b."])).pages == (0, 4)
    with pytest.raises(UnreadableFile, match=r"a\.pdf has 3 pages, more than 2; split it"):
        read(tmp_path / "a.pdf", pdf(["a."], ["b."], ["c."]))


# Word


def test_a_word_file_gives_paragraphs_and_tables_in_document_order(tmp_path: Path) -> None:
    def build(document) -> None:
        document.add_heading("The yearly report", 0)
        document.add_paragraph("Before the table.")
        table = document.add_table(2, 2)
        for cell, text in zip((c for row in table.rows for c in row.cells), "abcd", strict=True):
            cell.text = text
        table.cell(1, 0).merge(table.cell(1, 1))
        document.add_paragraph("After the table.")

    document = read(tmp_path / "a.docx", word(build))
    assert document.text.split("\n")[:-1] == ["The yearly report", "Before the table.", "a | b", "c d"]
    assert document.text.endswith("\nAfter the table.")
    assert document.title == "The yearly report"
    assert document.date is None


def test_a_word_file_s_properties_give_title_and_date(tmp_path: Path) -> None:
    def build(document) -> None:
        from datetime import UTC, datetime

        document.add_paragraph("Hello.")
        document.core_properties.title = "  The official\ttitle "
        document.core_properties.created = datetime(2016, 5, 19, 8, tzinfo=UTC)

    document = read(tmp_path / "a.docx", word(build))
    assert (document.title, document.date) == ("The official title", "2016-05-19")


def test_damaged_word_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = word()
    other = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            target.writestr(name, b"<broken" if name == "word/document.xml" else source.read(name))
    spoilt = bytearray(whole)
    spoilt[300:600] = bytes(300)
    not_word = io.BytesIO()
    with zipfile.ZipFile(not_word, "w") as target:
        target.writestr("a.txt", "hello")
    for data in (b"no zip at all", whole[:-400], other.getvalue(), bytes(spoilt), not_word.getvalue()):
        with pytest.raises(
            UnreadableFile, match=r"^a\.docx is no readable \.docx .*`qa index FOLDER` again$"
        ):
            read(tmp_path / "a.docx", data)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
        target.open("word/document.xml", "w") as part,
    ):
        for _ in range(201):
            part.write(bytes(2**20))
    assert len(out.getvalue()) < 2**20
    with pytest.raises(UnreadableFile, match=r"a\.docx unpacks to 201 MB, more than 200 MB"):
        read(tmp_path / "a.docx", out.getvalue())


# Start-up


def test_importing_the_corpus_loads_no_reader() -> None:
    readers = {"trafilatura", "pypdfium2", "docx", "charset_normalizer"}
    code = f"import sys, qa.corpus; print(*{readers} & {{*sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
