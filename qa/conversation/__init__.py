"""History + follow-up → a question that stands alone."""

from qa.conversation.rules import Turn, resolve

__all__ = ["Turn", "resolve"]
