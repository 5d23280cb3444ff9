"""Words of English questions that say nothing about where the answer stands."""

from __future__ import annotations

_WORDS = """
a about after all also an and any are as at be been before but by can could did do does for from had has
have he her his how i if in into is it its many may me more most much must not of off on or our out over
s said say says she should so t tell than that the their them then there these they this those to up was
we were what when where which while who whom whose why will with would you your
"""

FUNCTION_WORDS = frozenset(_WORDS.split())
"""Lower case. "us" is not among them: it may be the US."""
