"""The layout of the house: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "qa").rglob("*.py"))

BASE = {"qa.types", "qa.errors", "qa.version", "qa.words"}
MODELS = {"qa.minilm", "qa.computing"}  # below the rooms
ROOMS = {"qa.corpus", "qa.embedder", "qa.store", "qa.reader"}
MIDDLE = {"qa.retriever", "qa.confidence", "qa.conversation", "qa.indexing", "qa.uploads", "qa.watching"}
MIDDLE |= {"qa.kinds", "qa.extracts", "qa.definitions", "qa.names", "qa.widening", "qa.listing"}
ENGINE = BASE | ROOMS | MIDDLE | {"qa.engine", *MODELS}

MAY_IMPORT = {
    "qa": {"qa.engine", "qa.errors", "qa.types", "qa.version"},
    "qa.types": set(),
    "qa.errors": set(),
    "qa.version": set(),
    "qa.words": set(),
    "qa.minilm": {"qa.errors"},
    "qa.computing": set(),
    **{room: {"qa.types", "qa.errors", "qa.words"} for room in ROOMS},
    **{room: {"qa.types", "qa.errors", "qa.words", *MODELS} for room in ("qa.embedder", "qa.reader")},
    "qa.store": {"qa.types", "qa.errors", "qa.words", "qa.computing"},
    **dict.fromkeys(MIDDLE, BASE | ROOMS),
    "qa.conversation": BASE | ROOMS | {"qa.computing"},
    **dict.fromkeys(("qa.extracts", "qa.widening"), BASE | ROOMS | {"qa.kinds"}),
    "qa.listing": BASE | ROOMS | {"qa.widening"},
    "qa.uploads": BASE | ROOMS | {"qa.indexing"},
    "qa.watching": BASE | ROOMS | {"qa.indexing"},
    "qa.engine": BASE | ROOMS | MIDDLE,
    "qa.verification": ENGINE,
    "qa.logit": set(),
    "qa.evaluation": ENGINE | {"qa.logit"},
    "qa.training": ENGINE | {"qa.evaluation", "qa.logit"},
    "qa.accounts": {"qa.errors"},
    "qa.web": ENGINE | {"qa.evaluation", "qa.accounts"},
    "qa.mcp": ENGINE,
    "qa.cli": ENGINE | {"qa.verification", "qa.evaluation", "qa.training", "qa.web", "qa.mcp", "qa.accounts"},
    "qa.__main__": {"qa.cli"},
}


def room(module: str) -> str:
    """qa.store.local belongs to qa.store."""
    return ".".join(module.split(".")[:2])


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "qa":
                found |= {f"qa.{alias.name}" for alias in node.names}
            else:
                found.add(node.module or "")
    return {module for module in found if module == "qa" or module.startswith("qa.")}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    here = room(name(path))
    elsewhere = {room(module) for module in imports(path)} - {here}
    assert elsewhere <= MAY_IMPORT[here]


def test_importing_the_package_or_asking_for_help_loads_no_model_library() -> None:
    code = (
        "import sys, qa, qa.cli\n"
        "heavy = {'torch', 'faiss', 'transformers', 'sentence_transformers', 'gradio', 'sklearn', 'pandas'}\n"
        "heavy |= {'mcp', 'mcp_types'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_no_file_of_the_package_is_longer_than_a_person_reads() -> None:
    long = {
        name(path): n for path in MODULES if (n := len(path.read_text(encoding="utf-8").splitlines())) > 450
    }
    assert not long
