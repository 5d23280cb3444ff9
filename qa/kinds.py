"""What kind of answer a question asks for.

The reader answers questions with a span of a passage. Some ask for more: a list, the clause that explains,
the sentence that decides between yes and no. Others ask for something else: what a name stands for, an
overview of documents, the places that mention something, and talk that no document answers. They are told
by how they are worded; whatever is not clearly one of them is read for, so that a doubt costs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from qa.words import FUNCTION_WORDS, IRREGULAR_PASTS, WORD, content_words

Kind = Literal["fact", "explanation", "list", "yes/no", "definition", "overview", "mentions", "talk"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """`about`: what is to be defined, summed up or searched for, as the question has it, or of what names
    are to be listed; may be empty."""

    kind: Kind
    about: str = ""

    def leans(self, question: str) -> bool:
        """Whether the question may lean on what was said before: not where it is no question to the
        documents, is about all of them, or names what to look up ("Which articles mention Frontex?")."""
        if self.kind in ("talk", "overview"):
            return False
        named = self.kind in ("mentions", "definition") and len(self.about) < len(question.strip(" ?!."))
        return not named or any(word.lower() in _PRONOUNS for word in self.about.split())


_PRONOUNS = frozenset(
    [
        "he",
        "she",
        "it",
        "they",
        "him",
        "her",
        "them",
        "his",
        "hers",
        "its",
        "their",
        "this",
        "that",
        "these",
        "those",
        "there",
        "one",
        "ones",
    ]
)
_DOCUMENTS = (
    r"(?:articles?|documents?|texts?|files?|sources?|reports?|stories|story|papers?|pages?|corpus|collection"
    r"|folder)"
)
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "last"),
)

# What a question may begin with, and what is asked is the same without it.
_POLITE = re.compile(
    r"(?:(?:please|and|so|well|ok|but|now)\b[ ,]*|(?:can|could|would) you (?:please )?(?=(?:tell|list|name"
    r"|show|find|"
    r"give|explain|define|summari[sz]e|sum|outline)\b)|(?:do you|does anyone) know |i(?:'d| would)? (?:like"
    r"|want|need)"
    r" to know |(?:tell|show) me (?=(?:who|what|when|where|why|how|which|whether|if)\b))*"
)
_TALK = re.compile(
    r"(?:hi|hello|hey|greetings|howdy|good (?:morning|afternoon|evening|day))(?: (?:there|you|all|everyone))?"
    r"|(?:many |big )?(?:thanks|thank you|thx|cheers)(?: (?:a lot|so much|very much|again))?"
    r"|(?:good)?bye|see you|help(?: me)?|test(?:ing)?|(?:nice|pleased) to meet you|i (?:love|like|hate) you"
    r"|(?:ok(?:ay)?|yes|no|yeah|yep|nope|cool|great|nice|good|perfect|wow|lol|haha|hm+|sure|super|awesome"
    r"|sorry)"
    r"(?:,? (?:that helps|thanks|thank you|good|great|cool))?|you(?:'re| are) (?:\w+ ){0,2}\w+"
    r"|how are you(?: (?:doing|today))*|(?:who|what) (?:are|r) (?:you|u)|what(?:'s| is) your \w+"
    r"|who (?:made|built|wrote|created) you"
    r"|(?:what|which) (?:model|version|program|ai|bot) are you|what (?:can|do) you (?:do|know"
    r"|answer)(?: for me)?"
    r"|(?:what|how) (?:can|should|do|may) i (?:ask|do)(?: (?:you|here))?|what questions (?:can|may"
    r"|should) i ask(?: you)?"
    r"|how (?:do|does|can) (?:you|i|this|it)(?: \w+)? (?:work|use (?:you|this|it))|can (?:you help"
    r"|i trust)(?: (?:me|you))?"
    r"|how (?:do|can|may) i (?:add|upload|remove|delete) (?:an? |my |more |new )?(?:files?|documents?"
    r"|folders?|pdfs?)"
    r"|(?:how|where) (?:do|did) your? .+|how (?:sure|confident|good|accurate|reliable) are you(?: .*)?"
    r"|are you .+|(?:do|can|will|did) you (?:understand|speak|read|remember|store|save|keep|log|need|have"
    r"|learn|like|think"
    r"|feel|want|love|hallucinate|lie|use|send) .+|(?:what|which) languages? (?:do|can) you \w+"
    r"|tell me (?:a joke|about yourself)"
    r"|(?:(?:(?=\w*?(\w)\1{3})\w++|(?:asdf|qwert|yxcv)\w*+|[b-df-hj-np-tv-xz]{4,}+)(?: |$))+"
)
_OVERVIEW = re.compile(
    rf"(?:what(?:'s| is| are| do| does)|tell me what) (?P<what>.*?)"
    rf"(?:(?:all )?about|(?:deal|concern|cover)(?: with)?|in general|in (?:here|(?:this|these|the|those"
    rf"|my) {_DOCUMENTS}))"
    rf"|(?:what|which)(?:'s| is| are| do| does)?(?: the)? (?:main |key |chief |most important )?(?:topics?"
    rf"|subjects?|themes?"
    rf"|points?|ideas?|issues?|message|takeaways?)\b(?: (?:do|does|are|is))?(?P<topics>.*?)"
    r"(?: (?:cover(?:ed)?|treat(?:ed)?|discuss(?:ed)?|deal(?:t)? with|address(?:ed)?|here))*"
    r"|what (?:can i|will i|do i|is there to) (?:find|read|learn)(?: (?:in|from) (?P<find>.*))?"
    r"|(?:i (?:need|want|would like|'d like) )?(?:to )?(?:briefly |shortly |quickly )?(?:(?:summari[sz]e"
    r"|sum up|recap|outline)"
    r"|(?:give|show|write)(?: me| us)? (?:an?|the) (?:short |brief |quick )?(?:summary|overview|outline"
    r"|gist)(?: of)?"
    r"|(?:an?|the) (?:short |brief |quick )?(?:summary|overview|outline|gist)(?: (?:of|for))?|overview"
    r"|summary|gist|tl;?dr)"
    r"(?: (?:of|for))?(?: (?P<whole>.*))?"
)
_LENGTH = re.compile(  # how long a summary is wished; an extract has its own length
    r",? (?:in (?:short|brief|(?:(?:a|one|two|three|four|five|a few|some|just|only|\d+) )+"
    r"(?:short |brief |simple )?(?:words?|sentences?|paragraphs?|lines?|bullet points?|points?))"
    r"|briefly|shortly|quickly|for me)$"
)
# Each word has one way to match, or a long question would take for ever.
_IS_DOCUMENTS = re.compile(
    r"(?:(?:this|these|the|those|all|my|your|it|them|everything|of|one|number|please|in|here|me|us|corpus"
    rf"|{'|'.join(_ORDINALS)}|\d+(?:st|nd|rd|th)?|two|three|four|five|six|seven|eight|nine|ten)\b\s*"
    rf"|{_DOCUMENTS}\b\s*)*"
)
_MENTIONS = re.compile(
    rf"(?:which|what|how many|in which|in how many) (?:of (?:the|these|those) )?{_DOCUMENTS} "
    r"(?:mentions?|talks? (?:about|of)|speaks? (?:of|about)|refers? to|deals? with|names?|discuss(?:es)?"
    r"|contains?"
    r"|covers?|(?:is|are) about|says? (?:something|anything) about|writes? about)(?: the (?:name|word|term"
    r"|phrase))?"
    r" (?P<a>.+)"
    rf"|in (?:which|how many) {_DOCUMENTS} (?:is|are|does|do) (?P<i>.+?) (?:appear|occur|mentioned|named"
    rf"|discussed)"
    r"|(?:what|who) (?:is|was|has been) (?:said|written|reported) (?:about|on) (?P<b>(?:(?! by ).)+)"
    rf"|what do (?:the|these|those|my) {_DOCUMENTS} (?:say|write|report|tell us|tell me) about (?P<c>.+)"
    rf"|what do (?:the|these|those|my) {_DOCUMENTS} (?:about|on) (?P<j>.+?) (?:say|write|report)"
    r"|where (?:is|are|was|were) (?P<d>.+?) (?:mentioned|referred to|discussed)"
    rf"|where (?:do|does) (?:the|these|those|my) {_DOCUMENTS} (?:mention|speak of|talk about"
    rf"|refer to) (?P<k>.+)"
    r"|how (?:often|many times) (?:is|are|was|were) (?P<l>.+?) (?:mentioned|named)"
    r"|(?:is|are|was|were) (?:the (?:name|word|term|phrase) )?(?P<e>.+?) mentioned"
    rf"(?: (?:anywhere|somewhere|at all|in (?:the|these|any) {_DOCUMENTS}))?"
    rf"|(?:is|are) there (?:anything|something|any (?:mention|reference)s?) (?:about|on|to|of) (?P<m>.+?)"
    rf"(?: in (?:the|these|any|my) {_DOCUMENTS})?"
    rf"|(?:does|do) (?:any (?:of (?:the|these|those) )?|the |these |those |my ){_DOCUMENTS} "
    r"(?:mention|talk about|speak of|name|discuss) (?P<f>.+)"
    r"|(?:find|show|list)(?: me)? (?:all |every |any |the )*(?:mentions?|places|passages?|sentences?"
    r"|references?)"
    r"(?: (?:of|about|on|to|that mentions?|mentioning))+ (?P<g>.+)"
    r"|(?:search for|find (?:everything|anything|all) (?:about|on)|anything (?:about|on)"
    r"|everything (?:about|on)) (?P<h>.+)"
)
_NAMES = re.compile(
    r"(?:which|what|(?:list|name|give|show|find)(?: me)?(?: all)?)(?: of)?(?: (?:the|these|those))?"
    r" (?P<about>.+?)"
    r"(?: (?:that|which|who))?(?: (?:are|were|have been))? (?:named|mentioned|identified)"
    rf"(?: (?:by name|here|in (?:the|these|those|my|all|your) {_DOCUMENTS}))*"
)
_NO_QUESTION = re.compile(
    r"(?i:tell me|anything|something) (?i:more )?(?i:about) (?P<a>.+)"
    r"|(?P<b>[\w'.&-]+|[A-Z][\w'.&-]*(?: [A-Z][\w'.&-]*)+)"
)
_AUXILIARY = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|shall|should|must|may|might)(?:n't)?"
)
_YES_NO = re.compile(rf"(?:whether|if) .+|{_AUXILIARY} (?!(?:\w+ )*?(?:\w+ or \w+)(?: that| \w+ed|$)).+")
_PLURAL = (
    r"(?!(?:is|was|has|does|happens|makes|causes|leads|explains|means|says|speaks|prevents|lies|this|his|news|series|times)\b)"
    r"[\w'-]*[^\Wsui]s\b|[\w'-]*(?:people|men|women|children)\b"
)
_NUMBER = (
    r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty"
    r"|\d+)"
)
_OF_WHICH = (
    r"(?:(?:in|from|to|at|with|by|for|of|on|over|under|about|against|among|between|through|into|out of) )?"
    r"(?:which|what)"
)
_LIST = re.compile(
    rf"(?:list|enumerate|give(?: me)? (?:a|the) list of|tell me the names of) .+"
    rf"|name(?: [\w'-]+){{0,3}}? (?:{_PLURAL}).*"
    rf"|{_OF_WHICH}(?: {_NUMBER}| other)? (?:{_PLURAL}) .+"
    rf"|{_OF_WHICH}(?: (?!{_AUXILIARY}\b|the\b|an?\b|of\b)[\w'-]+){{1,3}}? (?:{_PLURAL}) "
    rf"(?:(?:in|of|from|on|at|and) (?:(?!{_AUXILIARY}\b)[\w'-]+ ){{1,5}}?)?"
    rf"(?:{_AUXILIARY}|\w+ed|{IRREGULAR_PASTS}|spoke|heard|kept|stood|sat|ran|bought|drew"
    rf"|flew|drove|fought|bore|felt|cut|hit|shut|take|belong|live|make|come|leave|speak|stand|go|keep"
    rf"|want|form|avoid|report|remain|sit|work|appear|turn|support|oppose|run|own|face|need|say) .+"
    rf"|{_OF_WHICH} (?:other )?(?!\d{{3}}){_NUMBER} (?!per\b).+"
    rf"|which of (?:the|these|those) (?!{_NUMBER}\b)(?:[\w'-]+ )?(?:{_PLURAL}) .+"
    rf"|(?:what|who|which) (?:all )?(?:are|were) the [\w'-]+(?: [\w'-]+)*|who (?:all|else|have) .+"
    r"|who (?:attended|took part in|was present at|participated in) .+"
    r"|who will (?:be in|sit in|attend|take part in) .+"
)
_TOLD = (
    r"(?:say|said|tell|told|reply|replied|answer|mean|think|want|fear|promise|warn|argue|arguing|claim"
    r"|require|demand|"
    r"suggest|propose|announce|believe|explain|advise|complain|stress|insist|add|saying|recommend|expect)"
)
_EXPLANATION = re.compile(
    r"why\b.*|how come .+|explain .+"
    r"|(?:under|on|in) (?:which|what) (?:circumstances|conditions|terms|grounds?|merits|pretexts?) .+"
    rf"|(?:(?:for|on|in) )?what (?:is the |was the |were the |are the )?(?:reasons?|grounds?|purpose|way"
    rf"|effects?|impact"
    r"|consequences?|aim|goal|cause) (?!of (?:death|the fire)).+"
    rf"|(?:in what way|how) (?!to\b){_AUXILIARY} .+|how to .+"
    rf"|what {_AUXILIARY} (?:(?!{_TOLD}\b)[\w.'-]+ )+?{_TOLD}\b.*"
    r"|what (?:happens|explains|led|leads|made|makes|must|should|do i (?:have|need) to|drove|prompted)\b.*"
)
_WORK = r"(?:job|profession|occupation|line of work)"
_DEFINED = re.compile(
    r"(?:what (?:does|do|did) (?P<a>(?:(?!(?:on|in|of|by)\b)\S+ ){1,4})(?:mean|stand for)|define (?P<b>.+)"
    r"|how (?:is|are) (?P<i>.+) defined|what (?:counts|count|qualifies|qualify) as (?P<j>.+)"
    r"|what (?:does|do|did) .+ mean (?:by|with) (?P<k>.+)|what(?:'s| is| are| was| were) (?:(?:the|an?) )?"
    r"[\"“](?P<l>[^\"“”]+)[\"”]?"
    r"|what (?:is|was) (?:meant by|the (?:meaning|"
    r"definition) of) (?P<c>.+)|(?:who|what) "
    r"(?P<d>(?-i:[A-Z])\S*(?: \S+){0,5}) (?:is|was)|what kind of (?:thing|person) is (?P<e>.+)"
    r"|what (?:does|did) (?P<f>(?!(?:the|an?)\b).+) do (?:for a living|for work|as a job|professionally)"
    rf"|what(?:'s| is| was) (?P<g>(?-i:[A-Z]).*?)'s? {_WORK}"
    rf"|what(?:'s| is| was) the {_WORK} of (?P<h>(?-i:[A-Z]).+))",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?i:who|what)(?i:['’]s| is| are| was| were) (?:(?i:this|the person called|called) )*(?P<about>"
    r"(?i:an?) (?:(?!of |in |on |for |that )[\w'’-]+ ?){1,4}"
    r"|(?i:the )?[A-Z0-9][\w.'’-]*(?<!['’]s)(?: (?:of |for |de |von |der |al |Von |De "
    r"|the )*[A-Z0-9][\w.'’-]*(?<!['’]s))*(?: [a-z]+)?"
    r"|(?!the )[a-z][\w-]+(?<!ed)(?<!ing)(?<!ible)(?<!able)(?: [a-z][\w-]+)?)(?: again)?"
)


def wanted(question: str) -> Wanted:
    """The kind of a question that stands alone."""
    written = " ".join(question.replace("’", "'").split()).strip(' ?!.…"')
    plain = written.lower()
    if _TALK.fullmatch(plain):
        return Wanted("talk")
    start = found.end() if (found := _POLITE.match(plain)) else 0
    written, plain = written[start:].removesuffix(", please"), plain[start:].removesuffix(", please")
    if found := _MENTIONS.fullmatch(plain):
        about = next(group for group in found.groupdict().values() if group)
        if any(word not in FUNCTION_WORDS for word in about.split()):
            return Wanted("mentions", _as_written(about, question))
    if found := _OVERVIEW.fullmatch(_LENGTH.sub("", plain)):
        about = next((group for group in found.groupdict().values() if group), "").strip()
        if _IS_DOCUMENTS.fullmatch(about) or found["whole"] is not None:
            return Wanted("overview", _as_written(about, question))
    if (found := _DEFINED.fullmatch(written) or _NAMED.fullmatch(written)) and (about := _a_name(found)):
        return Wanted("definition", about)
    if (found := _NAMES.fullmatch(plain)) and re.search(_PLURAL, found["about"]):
        return Wanted("list", _as_written(found["about"], question))
    for kind, rule in _RULES:
        if rule.fullmatch(plain):
            return Wanted(kind)
    if "?" not in question and (found := _NO_QUESTION.fullmatch(written)):  # nothing to answer, but to find
        about = found["a"] or found["b"]
        if about.lower() not in FUNCTION_WORDS:
            return Wanted("mentions", about)
    return Wanted("fact")


def says_nothing(question: str) -> bool:
    """Whether a question that stands alone has no word by which an answer could be found: "the the the",
    "Who was it?". A capital makes a name of any word but the first: "What did May say?"."""
    others = WORD.findall(question)[1:]
    named = question != question.upper() and any(word[0].isupper() and word != "I" for word in others)
    return not named and not any(content_words(question))


_RULES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("explanation", _EXPLANATION),
    ("list", _LIST),
    ("yes/no", _YES_NO),
)


def _a_name(found: re.Match[str]) -> str | None:
    """What a definition is asked of; None where the words describe something rather than name it."""
    about = next(group for group in found.groupdict().values() if group).strip("'\" ")
    first, *others = about.split()
    if others and first == first.lower() and first in FUNCTION_WORDS - {"a", "an", "the"}:
        return None
    return about if others or first.lower() not in FUNCTION_WORDS else None


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
