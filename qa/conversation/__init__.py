"""History + follow-up → a question that stands alone."""

from qa.conversation.resolver import Resolver, repeats
from qa.conversation.rules import Turn

__all__ = ["Resolver", "Turn", "repeats"]
