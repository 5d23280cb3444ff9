"""How models and FAISS compute here: in which arithmetic, and in one thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from threading import current_thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    import torch

P = ParamSpec("P")
T = TypeVar("T")
NAME = "qa-models"

_threads = [ThreadPoolExecutor(1, NAME)]  # the one that is


def _anew() -> None:
    _threads[:] = [ThreadPoolExecutor(1, NAME)]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_anew)  # no thread survives a fork


def in_one_thread(compute: Callable[P, T]) -> Callable[P, T]:
    """The same function, run in the one thread that computes, whoever calls it.

    One question at a time uses all cores; two at once would only share them. And OpenMP keeps a team of
    threads for each thread that computes, torch's and FAISS's alike: as soon as there are more of them than
    cores they go to sleep after each step, and waking them takes as long as the step (libgomp,
    GOMP_SPINCOUNT).
    """

    @wraps(compute)
    def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
        if current_thread().name.startswith(NAME):
            return compute(*args, **kwargs)
        return _threads[0].submit(compute, *args, **kwargs).result()

    return waiting


def arithmetic() -> torch.dtype:
    """bf16 where the processor is fast in it, else 32-bit floats.

    bf16 without native support is up to a hundred times slower, and Intel's without AMX takes twice as long
    as 32-bit floats.
    """
    import torch  # noqa: PLC0415

    has = torch.cpu.get_capabilities()
    intel = "intel" in str(has.get("cpu_name", "")).lower()
    fast = has.get("amx_bf16", False) or (has.get("avx512_bf16", False) and not intel)
    return torch.bfloat16 if fast else torch.float32


def multiplies_integers() -> bool:
    """Whether products of 8-bit integers are faster here than those of `arithmetic`: where the processor adds
    them up in one instruction (VNNI)."""
    import torch  # noqa: PLC0415

    has = torch.cpu.get_capabilities()
    vnni = has.get("avx512_vnni", False) or has.get("avx_vnni", False)
    return vnni and arithmetic() is torch.float32
