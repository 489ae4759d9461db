"""Applications written for Ryu, unchanged: `ryu.x` is `os_ken.x`, the same module.

os-ken is the maintained fork of Ryu and kept its API; of the names, those of the
package and of a few classes changed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType


class _RyuModules(MetaPathFinder, Loader):
    def __init__(self) -> None:
        self._own_specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != "ryu" and not fullname.startswith("ryu."):
            return None
        if find_spec(_real_name(fullname)) is None:
            return None
        return spec_from_loader(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(_real_name(spec.name))
        self._own_specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # Importing gave the module the spec of its second name; it keeps its first.
        assert module.__spec__ is not None
        module.__spec__ = self._own_specs.pop(module.__spec__.name)


def _real_name(name: str) -> str:
    return "os_ken" + name.removeprefix("ryu")


def offer_ryu() -> None:
    """Let `import ryu` find os-ken, from now on."""
    if any(isinstance(finder, _RyuModules) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _RyuModules())
    app_manager = importlib.import_module("os_ken.base.app_manager")
    app_manager.RyuApp = app_manager.OSKenApp  # type: ignore[attr-defined]
    exception = importlib.import_module("os_ken.exception")
    exception.RyuException = exception.OSKenException  # type: ignore[attr-defined]
