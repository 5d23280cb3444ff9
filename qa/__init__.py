"""Ask a folder of documents a question; get the exact words that answer it, and where they stand.

>>> from qa import QA, ask
>>> print(ask("Who answered AFP by email?").text)          # on ./index, built from ./seeds
William Spindler

Importing this package loads no model: torch and FAISS come with the first question.
"""

from qa.engine import QA, ask
from qa.errors import QAError
from qa.types import Answer, Citation
from qa.version import __version__

__all__ = ["QA", "Answer", "Citation", "QAError", "__version__", "ask"]
