"""Where an index is: a folder of this machine, or a collection that many machines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qa.store.base import Store
from qa.store.local import LocalStore
from qa.store.milvus import SCHEME, MilvusStore


@dataclass(frozen=True, slots=True)
class Address:
    """A folder, or milvus://HOST:PORT/NAME."""

    text: str

    @property
    def shared(self) -> bool:
        """Whether other machines write there too."""
        return self.text.startswith(SCHEME)

    @property
    def folder(self) -> Path:
        """Where this machine keeps what belongs to the index: conversations, uploads, the lock."""
        return Path(f"index-{self.text.rpartition('/')[2]}") if self.shared else Path(self.text)

    def exists(self) -> bool:
        """Whether there is an index; of a shared one, only opening it tells."""
        return self.shared or LocalStore.exists(self.folder)

    def open(self, settings: Mapping[str, str]) -> Store:
        """Raises `BadIndex` where there is no index, or it was made with other settings."""
        return (
            MilvusStore.open(self.text, settings) if self.shared else LocalStore.open(self.folder, settings)
        )

    def create(self, settings: Mapping[str, str]) -> Store:
        """The index there, made empty where there is none. Raises `BadIndex`."""
        return (
            MilvusStore.create(self.text, settings)
            if self.shared
            else LocalStore.create(self.folder, settings)
        )

    def erase(self) -> None:
        """Remove the index. Raises `BadIndex` where it cannot be removed."""
        if self.shared:
            MilvusStore.erase(self.text)
        else:
            LocalStore.erase(self.folder)
