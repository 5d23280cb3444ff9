"""(question, passages) → spans: the model, and the decoder that can only quote."""

from qa.reader.decode import agreeing, best_spans
from qa.reader.model import Reader
from qa.reader.rerank import Looks, Place, Reranker

__all__ = ["Looks", "Place", "Reader", "Reranker", "agreeing", "best_spans"]
