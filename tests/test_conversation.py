"""Follow-ups: what leans on the history is completed, what stands alone is left alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.conversation import Resolver, repeats
from qa.conversation.phrases import phrases
from qa.conversation.rules import resolve
from qa.embedder import Embedder
from qa.words import carrying, without_carried

RESOLVER = Resolver(Embedder())

EMAIL = [("Who answered AFP by email?", "spokesman William Spindler")]
DEATHS = [("How many people died in the Mediterranean in 2016?", "3,800")]
SOPHIA = [("What did the EU launch last year?", "Operation Sophia")]
MOSKVA = [("Where is the Moskva docked?", "Messina")]
ARGOS = [("Which ship picked up 107 people?", "the Bourbon Argos")]


@pytest.mark.parametrize(
    ("history", "question", "asked_as"),
    [
        (EMAIL, "What did he confirm?", "What did William Spindler confirm?"),
        (EMAIL, "When?", "When William Spindler answered AFP by email?"),
        (EMAIL, "what is his job?", "what is William Spindler's job?"),
        (DEATHS, "And in 2015?", "How many people died in the Mediterranean in 2015?"),
        (
            DEATHS,
            "And the year before?",
            "How many people died in the Mediterranean in 2016 the year before?",
        ),
        (
            [("How many came to Italy in 2016?", "More than 16,000")],
            "How does that compare with the year before?",
            "How does more than 16,000 compare with the year before?",
        ),
        (
            [("What did she say?", "I will stay")],
            "What does that mean?",
            "What does I will stay mean?",
        ),
        (SOPHIA, "How many vessels does it have?", "How many vessels does Operation Sophia have?"),
        (DEATHS, "And children?", "How many children died in the Mediterranean in 2016?"),
        (
            [("Who patrols in the Aegean Sea?", "Frontex"), ("Which ally is unhappy there?", "Turkey")],
            "Why is that?",
            "Why is Turkey unhappy in the Aegean Sea?",
        ),
        (SOPHIA, "Where does that operation work?", "Where does Operation Sophia work?"),
        (SOPHIA, "Which ships does the operation have?", "Which ships does Operation Sophia have?"),
        (MOSKVA, "Who will board it?", "Who will board the Moskva?"),
        (MOSKVA, "What else happened there?", "What else happened in Messina?"),
        (EMAIL, "Who else?", "Who else answered AFP by email?"),
        (EMAIL, "And any others?", "Who else answered AFP by email?"),
        (ARGOS, "Which others?", "Which other ship picked up 107 people?"),
        (SOPHIA, "What else?", "What else did the EU launch last year?"),
        (MOSKVA, "Where else?", "Where else is the Moskva docked?"),
        (
            [("Whom did Seraj meet in Rome?", "Marco Minniti")],
            "What did they agree on there?",
            "What did Seraj and Marco Minniti agree on in Rome?",
        ),
        (
            [("Where did Seraj meet the Italian minister?", "Tripoli")],
            "What did they agree on there?",
            "What did Seraj and the Italian minister agree on in Tripoli?",
        ),
        (
            [("Where do the patrols take place?", "off Libya")],
            "Who authorised them?",
            "Who authorised the patrols?",
        ),
        (
            [("When will the Sea Holly enter service?", "in March")],
            "Who builds it?",
            "Who builds the Sea Holly?",
        ),
        (EMAIL, "And his nationality?", "And William Spindler's nationality?"),
        (
            [
                ("Whom did Seraj meet in Rome?", "Marco Minniti"),
                ("Who came with Minniti?", "Italian officers"),
            ],
            "What happened there?",
            "What happened in Rome?",
        ),
        (
            [("Is closing borders a solution?", "Closure (of borders) is not a solution")],
            "Who said so?",
            "Who said that Closure (of borders) is not a solution?",
        ),
        (MOSKVA, "Why?", "Why is the Moskva docked?"),
        (ARGOS, "How many corpses did its crew count?", "How many corpses did Bourbon Argos's crew count?"),
        (
            EMAIL,
            "For which organisation does he speak?",
            "For which organisation does William Spindler speak?",
        ),
        (ARGOS, "When was that?", "When Bourbon Argos picked up 107 people?"),
        (
            [("Which operation will the navy join?", "Active Endeavour")],
            "Where does that operation take place?",
            "Where does Active Endeavour take place?",
        ),
        (
            [
                ("Which ship lies in the port of Messina?", "Moskva"),
                ("Who is going to board it?", "Scheffer"),
            ],
            "Why?",
            "Why is Scheffer going to board Moskva?",
        ),
        ([("Which ally is unhappy about it?", "Turkey")], "Why is that?", "Why is Turkey unhappy about it?"),
        (
            [("Which minister was in Tripoli?", "Philip Hammond"), ("When?", "Monday")],
            "What did he say about troops?",
            "What did Philip Hammond say about troops?",
        ),
        (EMAIL, "Where are migrants put when they land?", "Where are migrants put when they land?"),
        (
            [("What did the EU launch last year?", "the EU's naval mission")],
            "Who said that the start could come by July?",
            "Who said that the start could come by July?",
        ),
    ],
)
def test_a_follow_up_becomes_a_question_that_stands_alone(
    history: list[tuple[str, str]], question: str, asked_as: str
) -> None:
    assert resolve(question, history) == asked_as


@pytest.mark.parametrize("history", [EMAIL, DEATHS, SOPHIA, MOSKVA, ARGOS])
@pytest.mark.parametrize(
    "question",
    [
        "Who is Pope Francis?",
        "What did Kerry say about his role?",
        "How many survivors were burnt?",
        "Is there a plan for Libya?",
        "Who said that NATO would have no combat role?",
        "Where did the pope speak?",
        "Who told reporters that NATO would stay?",
        "Who owned the safe house that was raided?",
        "How long did it take to get out of the dinghy?",
        "Is it known where the operations room will be?",
        "Why do people turn their backs on strangers?",
        "What was the name of the man who lost his wife?",
        'Who said "It was horrible"?',
        "How many detention centres are there in Libya?",
        "Which countries border Hungary?",
        "Which ships carry grain?",
        "How many sailors suffered burns?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(history: list[tuple[str, str]], question: str) -> None:
    assert resolve(question, history) == question
    assert RESOLVER.resolve(question, history) == question


CLOCK = [("Who made the tide clock?", "Jonas Pell")]
CARTS = [("How many barrels did a cart carry?", "eleven")]
BRIDGE = [("How much did the repair of the Harrow Street bridge cost?", "14.2 million crowns")]


@pytest.mark.parametrize(
    ("history", "question", "asked_as"),
    [
        (CLOCK, "Who commissioned it?", "Who commissioned the tide clock?"),
        (  # the last answer could be "it" as well: what was "it" before stays it
            [*CLOCK, ("Who commissioned it?", "the pilots' guild")],
            "When was it stolen?",
            "When was the tide clock stolen?",
        ),
        (CARTS, "By what was it drawn?", "By what was the cart drawn?"),
        (CARTS, "Where were they unloaded?", "Where were the barrels unloaded?"),
        (
            BRIDGE,
            "Why did it take longer?",
            "Why did the repair of the Harrow Street bridge take longer?",
        ),
        (
            [("Where is the deed of gift kept?", "in the cellar of the parish church")],
            "Who found it?",
            "Who found the deed of gift?",
        ),
        (
            [("Where does the ship lie?", "in Aske"), ("Who is its captain?", "Ilse Maranque")],
            "How many sailors serve on it?",
            "How many sailors serve on the ship?",
        ),
        (
            [("Which ship did the Aurelia replace?", "Sankt Florian")],
            "How much did it burn?",
            "How much did Sankt Florian burn?",
        ),
        (
            [("Which states will meet NATO?", "Egypt, Jordan and Algeria")],
            "Where does it meet them?",
            "Where does NATO meet Egypt, Jordan and Algeria?",
        ),
        (
            [("Who was head of NATO when it grew?", "Jens Stoltenberg")],
            "What did he say it could do?",
            "What did Jens Stoltenberg say NATO could do?",
        ),
        (
            [("Who scored for Dunmarra?", "Kofi Brandvold")],
            "In which minute?",
            "In which minute Kofi Brandvold scored for Dunmarra?",
        ),
        ([("Who lends the dials?", "the museum")], "How many?", "How many dials the museum lends?"),
        (
            [("How long did the replacement bus take?", "25 minutes")],
            "And the tram?",
            "How long did the tram take?",
        ),
        (
            [("What was the revenue of Norrland Loaf in May?", "3 million")],
            "And the operating profit?",
            "What was the operating profit of Norrland Loaf in May?",
        ),
        (
            [("How many bodies did the crew count at first?", "11")],
            "And in the end?",
            "How many bodies did the crew count in the end?",
        ),
        (
            [("How many shops will be closed?", "30")],
            "And converted into cafés?",
            "How many shops will be converted into cafés?",
        ),
        (
            [("What did he want the alliance to link up with?", "the naval mission")],
            "Where did the alliance want to move?",
            "Where did the alliance want to move?",
        ),
        ([("How strong was the storm?", "very")], "How many people died?", "How many people died?"),
    ],
)
def test_what_a_follow_up_leans_on_is_a_thing_and_not_a_piece_of_a_sentence(
    history: list[tuple[str, str]], question: str, asked_as: str
) -> None:
    assert resolve(question, history) == asked_as


def test_of_two_that_may_be_meant_the_one_whose_words_are_likelier_is_taken() -> None:
    history = [("Who brought Finn Okafor on?", "Greta Halloran")]
    question = "How many minutes did he need?"
    assert resolve(question, history) == "How many minutes did Greta Halloran need?"
    weights = {"finn": 0.9, "okafor": 0.9, "greta": 0.1, "halloran": 0.1}
    assert resolve(question, history, lambda *_: weights) == "How many minutes did Finn Okafor need?"


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Who built the bridge in Wexmoor?", ["the bridge", "Wexmoor"]),
        ("On which fungus does the ghost lantern depend?", ["the ghost lantern"]),
        ("Where will Norrland Loaf open a new plant?", ["Norrland Loaf", "a new plant"]),
        ("When is a heat warning issued?", ["a heat warning"]),
        ("What attracts fungus gnats to the flowers?", ["fungus gnats", "the flowers"]),
        ("How many houses lost their roofs?", ["the houses", "roofs"]),
        ("Who won the final of the last round?", ["the last round", "the final of the last round"]),
        ("How far can the lighthouse's light be seen?", ["the lighthouse", "light"]),
        ("Whom did Egypt, Jordan and Algeria meet?", ["Egypt, Jordan and Algeria"]),
        ("Was The Verve successful?", ["The Verve"]),
        ("Who came to the talks of Dorn and eastern towns?", ["Dorn", "the talks of Dorn and eastern towns"]),
        ("Is the union of Dorn and eastern towns planned?", ["Dorn", "the union of Dorn and eastern towns"]),
        ("What did the mayor of Ellin and the judge say?", ["Ellin", "the mayor of Ellin", "the judge"]),
        ("Why?", []),
    ],
)
def test_a_question_s_noun_phrases_are_found_without_its_verbs(question: str, found: list[str]) -> None:
    assert [phrase.text for phrase in phrases(question)] == found


@given(st.text(max_size=120))
def test_noun_phrases_are_words_of_the_question(question: str) -> None:
    for phrase in phrases(question):
        assert phrase.text.removeprefix("the ") in question


def test_words_that_no_rule_can_place_follow_in_parentheses() -> None:
    asked_as = RESOLVER.resolve("Who paid?", BRIDGE)
    assert asked_as.startswith("Who paid? (") and asked_as.endswith(")")
    assert "bridge" in asked_as.split("(")[1]
    assert "14" not in asked_as


def test_every_word_of_a_resolved_question_was_said() -> None:
    said = set(re.findall(r"\w+", " ".join(part for turn in [*ARGOS, *EMAIL] for part in turn)))
    asked_as = RESOLVER.resolve("Where was it then?", [*EMAIL, *ARGOS])
    assert set(re.findall(r"\w+", asked_as)) <= said | {"Where", "was", "it", "then", "s"}


def test_the_last_turn_that_names_something_counts() -> None:
    history = [*SOPHIA, ("Who said so?", "")]
    assert (
        resolve("How many vessels does it have?", history) == "How many vessels does Operation Sophia have?"
    )


def test_without_a_history_nothing_is_changed() -> None:
    assert resolve("What did he confirm?", []) == "What did he confirm?"


OPENINGS = [
    "",
    "And ",
    "And the ",
    "And in ",
    "What about ",
    "How many ",
    "In which ",
    "Who ",
    "When did it ",
]


@given(
    st.tuples(st.sampled_from(OPENINGS), st.text(max_size=80)).map("".join),
    st.lists(
        st.tuples(
            st.tuples(st.sampled_from(OPENINGS), st.text(max_size=60)).map("".join), st.text(max_size=40)
        ),
        max_size=3,
    ),
)
def test_no_question_and_no_history_is_too_odd(question: str, history: list[tuple[str, str]]) -> None:
    assert isinstance(resolve(question, history), str)
    assert repeats("words", "A sentence.", question, history) in (True, False)


@given(st.text(max_size=40), st.lists(st.text("abcXYZ'-", min_size=1), min_size=1, max_size=5))
def test_a_question_is_found_again_before_the_words_that_it_carries(question: str, words: list[str]) -> None:
    carried = carrying(question, words)
    assert carried.endswith(f" ({' '.join(words)})")
    assert without_carried(carried) == question.rstrip()
    assert carrying(question, []) == question


COUNTED = [("How many bodies did the crew count at first?", "11")]
ADMISSION = [("How much is admission?", "12 euros")]


@pytest.mark.parametrize(
    ("history", "question", "quote", "sentence"),
    [
        (COUNTED, "And in the end?", "11", "They saw 11 bodies on board."),
        (COUNTED, "What about the second crew?", "about 11", "At first about 11 were seen."),
        (ADMISSION, "And for children?", "12 euros", "Adults pay 12 euros."),
        (ADMISSION, "And the year before?", "12 euros", "This year adults pay 12 euros."),
        (EMAIL, "Who else?", "William Spindler", "William Spindler told AFP."),
        ([*EMAIL, ("Who else?", "Ada Quill")], "And who else?", "Spindler", "Spindler told AFP."),
        ([*EMAIL, ("Who else?", "")], "Anyone else?", "William Spindler", "Spindler told AFP."),
        (ADMISSION, "What about the following summer season?", "12 euros", "In the season it is 12 euros."),
    ],
)
def test_an_answer_said_again_where_something_else_is_asked_about_only_repeats(
    history: list[tuple[str, str]], question: str, quote: str, sentence: str
) -> None:
    assert repeats(quote, sentence, question, history)


@pytest.mark.parametrize(
    ("history", "question", "quote", "sentence"),
    [
        (COUNTED, "And in the end?", "29", "They found 29 bodies."),  # another answer
        (ADMISSION, "And for children?", "12 euros", "A child, like all children, pays 12 euros."),  # named
        (COUNTED, "How many bodies were counted on Tuesday?", "11", "They saw 11."),  # a question of its own
        (ADMISSION, "And last year?", "12 euros", "Last year it was 12 euros."),
        (EMAIL, "Who else?", "Ada Quill", "Ada Quill told AFP."),
        ([("What did she say?", "So it was")], "What else?", "Ada Quill", "She did."),
        (EMAIL, "Who else?", "Ada Quill and spokesman William Spindler", "Both did."),
        ([*EMAIL, ("Where?", "Paris")], "Where else?", "William Spindler", "He did."),
        (COUNTED, "How many?", "11", "They saw 11."),  # nothing else is asked about
        ([("How much is admission?", "")], "And for children?", "12 euros", "Adults pay 12 euros."),
        ([], "And for children?", "12 euros", "Adults pay 12 euros."),
    ],
)
def test_an_answer_is_no_repetition_where_it_may_well_be_the_same_again(
    history: list[tuple[str, str]], question: str, quote: str, sentence: str
) -> None:
    assert not repeats(quote, sentence, question, history)
