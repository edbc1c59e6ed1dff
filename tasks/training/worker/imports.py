"""How a trainer imports torch and super-gradients, which is most of the time that its start takes: quickly.

super-gradients imports with itself what no part of a trainer uses, two fifths of that time: reports on data sets
(data_gradients, which brings seaborn), plots, TensorBoard, albumentations, the client of S3 and the simplifier of ONNX
files stand at the head of its modules for annotations, base classes and lists of what there is. So a trainer gives it
placeholders for them.
"""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

UNUSED = ("albumentations", "boto3", "botocore", "data_gradients", "matplotlib", "onnxsim", "torch.utils.tensorboard")


@contextmanager
def quick_imports() -> Iterator[None]:
    """Have placeholders imported in place of the unused packages, from now on, and look for garbage only afterwards.

    Thousands of modules are no garbage, but the collector would look through them again and again, a fifth of the time.
    """
    if not any(isinstance(finder, _Placeholders) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Placeholders())
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


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
        return _left_out(name, self.__name__)


class _HasAnyName(type):
    """Such as ``boto3.Session.client``, which super-gradients annotates with."""

    def __getattr__(cls, name: str) -> type:
        return _left_out(name, cls.__module__)


class _LeftOut(metaclass=_HasAnyName):
    """A class of an unused package: there to be named and inherited from, not to be used."""

    def __init__(self, *_: object, **__: object) -> None:
        kind = type(self)
        raise ImportError(f"{kind.__module__}.{kind.__qualname__} is not loaded in a trainer; see {__name__}")


def _left_out(name: str, module: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return _HasAnyName(name, (_LeftOut,), {"__module__": module})
