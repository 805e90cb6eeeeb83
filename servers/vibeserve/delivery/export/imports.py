"""What a server needs installed: read from its imports, pinned to the versions it was measured with."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_COMPILING_MODULES = ("torch.utils.cpp_extension", "torch._inductor", "cffi", "pybind11")


@dataclass(frozen=True, slots=True)
class Needs:
    """`pins` are `name==version`; `missing` are imported modules that nothing installed here provides.

    `compiler`: the server compiles C++ when it runs.
    """

    pins: tuple[str, ...]
    missing: tuple[str, ...]
    compiler: bool


def needs_of(server: Path) -> Needs:
    """The needs of the Python files below a folder. A file that is not Python 3 is passed over."""
    trees = [tree for path in sorted(server.rglob("*.py")) for tree in _parsed(path)]
    modules = {module for tree in trees for module in _imported(tree)}
    own = {path.stem for path in server.rglob("*.py")} | {path.name for path in server.rglob("*") if path.is_dir()}
    tops = {module.partition(".")[0] for module in modules}
    foreign = sorted(tops - own - sys.stdlib_module_names)
    providers = metadata.packages_distributions()
    names = {name for module in foreign for name in providers.get(module, ())}
    return Needs(
        pins=tuple(sorted((f"{name}=={_public(metadata.version(name))}" for name in names), key=str.casefold)),
        missing=tuple(module for module in foreign if module not in providers),
        compiler=any(module.startswith(_COMPILING_MODULES) for module in modules) or any(map(_compiles, trees)),
    )


def _parsed(path: Path) -> Iterator[ast.Module]:
    try:
        yield ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _compiles(tree: ast.Module) -> bool:
    """Whether `torch.compile` is named in it."""
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "compile")
    return any(isinstance(node.value, ast.Name) and node.value.id == "torch" for node in attributes)


def _public(version: str) -> str:
    """A version without its local part: `2.13.0+cpu` is a build that no registry serves under that name."""
    return version.partition("+")[0]
