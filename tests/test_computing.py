"""In which arithmetic models compute, and in which thread."""

import os
import signal
import sys
from pathlib import Path
from threading import Barrier, Thread, current_thread

import pytest
import torch

from qa.computing import arithmetic, in_one_thread, multiplies_integers
from qa.engine import QA

INTEL, AMD = {"cpu_name": "Intel Xeon"}, {"cpu_name": "AMD EPYC"}


@pytest.mark.parametrize(
    ("processor", "floating", "integers"),
    [
        ({}, torch.float32, False),
        ({"avx2": True}, torch.float32, False),
        ({**INTEL, "avx_vnni": True}, torch.float32, True),
        ({**INTEL, "avx512_vnni": True, "avx512_bf16": True}, torch.float32, True),
        ({**INTEL, "avx512_vnni": True, "avx512_bf16": True, "amx_bf16": True}, torch.bfloat16, False),
        ({**AMD, "avx512_vnni": True, "avx512_bf16": True}, torch.bfloat16, False),
    ],
)
def test_each_processor_computes_in_what_it_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, processor: dict[str, object], floating: torch.dtype, integers: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    assert arithmetic() is floating
    assert multiplies_integers() is integers


@in_one_thread
def whose() -> Thread:
    return current_thread()


def test_whoever_calls_the_same_thread_computes() -> None:
    found = [whose()]
    caller = Thread(target=lambda: found.append(whose()))
    caller.start()
    caller.join()
    assert found[0] is found[1]
    assert found[0] is not current_thread()


def test_a_computation_may_call_another() -> None:
    assert in_one_thread(lambda: (whose(), current_thread()))() == (whose(), whose())


def test_an_error_reaches_the_caller() -> None:
    @in_one_thread
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_computes_in_a_thread_of_its_own() -> None:
    whose()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # ends it where it waits for a thread that is not there
        whose()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_asking_from_more_threads_starts_no_more_computing_ones(seeds_index: Path) -> None:
    with QA.open(seeds_index) as qa:
        qa.ask("Which ship picked up 107 people?")
        before = len(list(Path("/proc/self/task").iterdir()))
        asked, counted = Barrier(4), Barrier(4)

        def ask() -> None:
            qa.ask("Which ship picked up 107 people?")
            asked.wait()
            counted.wait()

        callers = [Thread(target=ask) for _ in range(3)]
        for caller in callers:
            caller.start()
        asked.wait()
        after = len(list(Path("/proc/self/task").iterdir()))
        counted.wait()
        for caller in callers:
            caller.join()
    assert after == before + len(callers)
