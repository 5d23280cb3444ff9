"""What kind of answer a question asks for.

The reader answers questions with a span of a passage. Three kinds of question ask for something else: an
overview of documents, the places that mention something, and talk that no document answers. They are told
by how they are worded; whatever is not clearly one of them is read for, so that a doubt costs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from qa.words import FUNCTION_WORDS

Kind = Literal["fact", "list", "overview", "mentions", "talk"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """`about`: what is to be summed up or searched for, as it stands in the question; may be empty."""

    kind: Kind
    about: str = ""


_DOCUMENTS = (
    r"(?:articles?|documents?|texts?|files?|sources?|reports?|stories|story|papers?|pages?|corpus|collection"
    r"|folder)"
)
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "last"),
)

_TALK = re.compile(
    r"(?:hi|hello|hey|greetings|howdy|good (?:morning|afternoon|evening|day))(?: (?:there|you|all|everyone))?"
    r"|(?:many |big )?(?:thanks|thank you|thx|cheers)(?: (?:a lot|so much|very much|again))?"
    r"|(?:good)?bye|see you|how are you(?: (?:doing|today))*|nice to meet you|help(?: me)?|test(?:ing)?"
    r"|(?:who|what) are you|what(?:'s| is) your name|who (?:made|built|wrote|created) you"
    r"|what (?:can|do) you (?:do|know|answer)(?: for me)?|what can i (?:ask|do)(?: (?:you|here))?"
    r"|how (?:do|does|can) (?:you|i|this|it) (?:work|use (?:you|this|it))|can you help(?: me)?"
    r"|are you (?:an? )?(?:ai|bot|robot|human|person|machine|real|chatgpt)"
)
_OVERVIEW = re.compile(
    rf"(?:what(?:'s| is| are| do| does)|tell me what) (?P<what>.*?)"
    rf"(?:(?:all )?about|in general|in (?:here|(?:this|these|the|those|my) {_DOCUMENTS}))"
    r"|(?:please |can you |could you |would you )*"
    r"(?:summari[sz]e|sum up|recap|outline|give (?:me |us )?(?:an?|the) (?:short |brief |quick )?"
    r"(?:summary|overview|outline|gist)(?: of)?) ?(?P<whole>.*)"
    r"|(?:an? |the )?(?:overview|summary|gist|tl;?dr)(?: (?:of|for) (?P<part>.*))?"
)
# Each word has one way to match, or a long question would take for ever.
_IS_DOCUMENTS = re.compile(
    r"(?:(?:this|these|the|those|all|my|your|it|them|everything|of|one|number"
    rf"|{'|'.join(_ORDINALS)}|\d+(?:st|nd|rd|th)?|two|three|four|five|six|seven|eight|nine|ten)\b\s*"
    rf"|{_DOCUMENTS}\b\s*)*"
)
_MENTIONS = re.compile(
    rf"(?:which|what|how many|in which|in how many) (?:of (?:the|these|those) )?{_DOCUMENTS} "
    r"(?:mentions?|talks? about|speaks? (?:of|about)|refers? to|deals? with|names?|discuss(?:es)?|contains?"
    r"|covers?|(?:is|are) about|says? (?:something|anything) about|writes? about) (?P<a>.+)"
    rf"|(?:what|who) (?:is|was) (?:said|written|reported) about (?P<b>(?:(?! by ).)+)"
    rf"|what do (?:the|these|those|my) {_DOCUMENTS} (?:say|write|report|tell us|tell me) about (?P<c>.+)"
    r"|where (?:is|are|was|were) (?P<d>.+?) (?:mentioned|referred to)"
    rf"|(?:is|are|was|were) (?P<e>.+?) mentioned(?: (?:anywhere|at all|in (?:the|these|any) {_DOCUMENTS}))?"
    rf"|(?:does|do) (?:any (?:of (?:the|these|those) )?|the |these |those |my ){_DOCUMENTS} "
    r"(?:mention|talk about|speak of|name|discuss) (?P<f>.+)"
    r"|(?:find|show|list)(?: me)? (?:all |every |the )*(?:mentions?|places|passages|sentences)"
    r"(?: of| about| that mention| mentioning)+ (?P<g>.+)"
)
_LIST = re.compile(
    r"(?:please )?(?:list|name|enumerate) .+"
    r"|(?:which|what)(?: [\w'-]+){0,3} (?!\w*(?:ss|us|is)\b)[\w'-]+s "
    r"(?:are|were|have|had|do|did|will|would|can|could|may|might|make|made|take|took|should|must)\b.*"
    r"|(?:what|who) (?:all )?(?:are|were) the [\w'-]+(?: [\w'-]+)*"
)


def wanted(question: str) -> Wanted:
    """The kind of a question that stands alone."""
    plain = " ".join(question.lower().replace("’", "'").split()).strip(" ?!.…")
    if _TALK.fullmatch(plain):
        return Wanted("talk")
    if found := _MENTIONS.fullmatch(plain):
        about = next(group for group in found.groupdict().values() if group)
        if any(word not in FUNCTION_WORDS for word in about.split()):
            return Wanted("mentions", _as_written(about, question))
    if found := _OVERVIEW.fullmatch(plain):
        about = (found["what"] or found["whole"] or found["part"] or "").strip()
        if _IS_DOCUMENTS.fullmatch(about) or found["what"] is None:
            return Wanted("overview", _as_written(about, question))
    return Wanted("list" if _LIST.fullmatch(plain) else "fact")


def which(about: str, documents: int) -> int | None:
    """The place, from 0, of the document that "the second one" or "article 3" means, among so many."""
    words = about.lower().split()
    for place, ordinal in enumerate(_ORDINALS):
        if ordinal in words:
            return documents - 1 if ordinal == "last" else place if place < documents else None
    numbers = [int(digits) for digits in re.findall(r"\b(\d{1,4})(?:st|nd|rd|th)?\b", about)]
    return numbers[0] - 1 if len(numbers) == 1 and 1 <= numbers[0] <= documents else None


def is_everything(about: str) -> bool:
    """Whether "these articles", "it" or nothing is named, rather than a subject."""
    return _IS_DOCUMENTS.fullmatch(about.lower()) is not None


def _as_written(about: str, question: str) -> str:
    """`about` in the letters of the question, for it may be a name."""
    at = " ".join(question.split()).lower().replace("’", "'").find(about)
    return " ".join(question.split())[at : at + len(about)] if at >= 0 else about
