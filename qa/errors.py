"""What a user can mend. Each message says what was found, what was expected, and the command that
mends it; command line and web show the message alone, without a traceback."""


class QAError(Exception):
    """Base of every error that a user can mend."""


class BadCorpus(QAError):
    """A folder or file that cannot serve as a corpus: missing, empty, nothing readable in it."""


class UnreadableFile(QAError):
    """One file that cannot be read (damaged, protected, binary). Indexing reports it and goes on."""


class BadIndex(QAError):
    """An index that is missing, damaged, or made by another embedder or version."""


class BadQuestion(QAError):
    """A question that cannot be asked: empty, too long, or restricted to unknown documents."""


class MissingWeights(QAError):
    """Model weights that are missing or damaged."""
