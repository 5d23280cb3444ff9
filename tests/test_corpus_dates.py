"""When a document is from, and which days its words mean."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.corpus import Found, load, relative_dates
from qa.corpus.dates import stated_date

TODAY = date(2026, 1, 1)
THURSDAY = date(2016, 10, 27)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DORN, Oct. 27, 2016 (Wire) - The mayor said so.", ("2016-10-27", "dateline")),
        ("Ellin, Nordland, 10 February 2006 - The mayor said so.", ("2006-02-10", "dateline")),
        ("Harbour grows\nPublished: 12 May 2023\nThe harbour grows.", ("2023-05-12", "dateline")),
        ("Thursday, 3 March 2022\n\nThe council met.", ("2022-03-03", "dateline")),
        ("2021-03-04\nThe council met.", ("2021-03-04", "dateline")),
        ("It opened on May 3, 1950, and closed on 4th June 1999.", ("1999-06-04", "text")),
        ("It will open on 4 June 2099; work began on 1 May 2020.", ("2020-05-01", "text")),
        ("It happened on 31 February 2016, or in May 2016, they said on Monday.", None),
        ("", None),
    ],
)
def test_a_date_is_taken_from_the_head_or_else_is_the_latest_of_the_text(
    text: str, found: tuple[str, str] | None
) -> None:
    assert stated_date(text, TODAY) == found


def test_what_the_file_states_goes_before_what_its_text_names(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("---\ntitle: A\ndate: 2016-05-19\n---\nIt opened on 3 May 2017.\n")
    document = load(Found("a.md", path, path.stat().st_size))
    assert (document.date, document.date_source) == ("2016-05-19", "metadata")
    path.write_text("It opened on 3 May 2017.\n")
    document = load(Found("a.md", path, path.stat().st_size))
    assert (document.date, document.date_source) == ("2017-05-03", "text")


@pytest.mark.parametrize(
    ("sentence", "meant"),
    [
        ("On Wednesday the crew came home.", {"On Wednesday": "2016-10-26"}),
        ("They said so Thursday.", {"Thursday": "2016-10-27"}),
        ("The ministers will meet on Friday.", {"on Friday": "2016-10-28"}),
        ("The port will grow, the mayor told reporters on Monday.", {"on Monday": "2016-10-24"}),
        ("On Friday they will meet.", {"On Friday": "2016-10-28"}),
        ("He left last Thursday.", {"last Thursday": "2016-10-20"}),
        ("Next Monday is a holiday.", {"Next Monday": "2016-10-31"}),
        ("Yesterday it rained.", {"Yesterday": "2016-10-26"}),
        ("Last week was calm, last month was not.", {"Last week": "2016-W42", "last month": "2016-09"}),
        ("It began last year.", {"last year": "2015"}),
        ("On Monday, 3 May it closed.", {}),
        ("The mondayish mood of the lastyear.", {}),
    ],
)
def test_days_are_counted_from_the_day_of_the_document(sentence: str, meant: dict[str, str]) -> None:
    found = {sentence[start:end]: means for (start, end), means in relative_dates(sentence, THURSDAY)}
    assert found == meant


@given(st.text(max_size=300), st.dates())
def test_any_text_may_be_looked_through(text: str, day: date) -> None:
    assert all(text[start:end].strip() for (start, end), _ in relative_dates(text, day))
    stated = stated_date(text, TODAY)
    assert stated is None or date.fromisoformat(stated[0]) <= TODAY
