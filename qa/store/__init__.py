"""Where a corpus lives once it is indexed."""

from qa.store.address import Address
from qa.store.base import DocumentInfo, Indexed, Store
from qa.store.local import LocalStore

__all__ = ["Address", "DocumentInfo", "Indexed", "LocalStore", "Store"]
