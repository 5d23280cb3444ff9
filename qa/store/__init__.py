"""Where a corpus lives once it is indexed."""

from qa.store.base import DocumentInfo, Indexed, Store
from qa.store.local import LocalStore

__all__ = ["DocumentInfo", "Indexed", "LocalStore", "Store"]
