"""What super-gradients imports with itself, and no part of a trainer uses: a third of the time that a start takes.

Reports on data sets (data_gradients, which brings seaborn), plots, TensorBoard and the simplifier of ONNX files stand
at the head of its modules for annotations and base classes. So a trainer gives it placeholders for them.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

UNUSED = ("data_gradients", "matplotlib", "onnxsim", "torch.utils.tensorboard")


def leave_out_unused() -> None:
    """Have placeholders imported in place of the unused packages; must run before super-gradients is imported."""
    if not any(isinstance(finder, _Placeholders) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Placeholders())


class _Placeholders(MetaPathFinder, Loader):
    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if any(name == package or name.startswith(f"{package}.") for package in UNUSED):
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Placeholder(spec.name)

    def exec_module(self, _module: ModuleType) -> None:
        """Nothing is in it."""


class _Placeholder(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_LeftOut,), {"__module__": self.__name__})


class _LeftOut:
    """A class of an unused package: there to be named and inherited from, not to be used."""

    def __init__(self, *_: object, **__: object) -> None:
        kind = type(self)
        raise ImportError(f"{kind.__module__}.{kind.__qualname__} is not loaded in a trainer; see {__name__}")
