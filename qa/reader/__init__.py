"""(question, passages) → spans: the model, and the decoder that can only quote."""

from qa.reader.decode import agreeing, best_spans
from qa.reader.model import Reader

__all__ = ["Reader", "agreeing", "best_spans"]
