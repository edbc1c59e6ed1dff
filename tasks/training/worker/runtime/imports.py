"""How a trainer imports torch and super-gradients, which is most of the time that its start takes: quickly.

super-gradients imports with itself what no part of a trainer uses, half of that time: reports on data sets
(data_gradients, which brings seaborn), plots, TensorBoard, albumentations, metrics, files of MATLAB, the client of S3
and what makes ONNX files stand at the head of its modules for annotations, base classes and lists of what there is. So
a trainer gives it placeholders for them. Another quarter is torch's compiler, which optimisers import to be left alone.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

UNUSED = (
    "albumentations", "boto3", "botocore", "data_gradients", "matplotlib", "onnx", "onnxruntime", "onnxsim", "scipy.io",
    "torch.utils.tensorboard", "torchmetrics",
)  # fmt: skip
COMPILER = "torch._dynamo"


@contextmanager
def quick_imports(*, compiler: bool = False) -> Iterator[None]:
    """Have placeholders imported in place of the unused packages, from now on, and look for garbage only afterwards.

    Thousands of modules are no garbage, but the collector would look through them again and again, a fifth of the time.

    Args:
        compiler: Whether torch's compiler is used: by ``torch.compile``, and by processes that talk to each other. On a
            GPU it is there in any case.
    """
    if not any(isinstance(finder, _Placeholders) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Placeholders(UNUSED if compiler else (*UNUSED, COMPILER)))
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


class _Placeholders(MetaPathFinder, Loader):
    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = next((package for package in self._packages if name == package or name.startswith(f"{package}.")), None)
        if found is None or (found == COMPILER and _has_gpu()):
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _NoCompiler(spec.name) if spec.name == COMPILER else _Placeholder(spec.name)

    def exec_module(self, _module: ModuleType) -> None:
        """Nothing is in it."""


def _has_gpu() -> bool:
    """Whether torch finds one: what computes alike there imports more of the compiler. False before torch is there."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_available())


class _Placeholder(ModuleType):
    def __getattr__(self, name: str) -> type:
        return _left_out(name, self.__name__)


class _NoCompiler(_Placeholder):
    """What torch's optimisers ask of its compiler, where there is none."""

    @staticmethod
    def disable(function: Callable[..., Any], *_: object, **__: object) -> Callable[..., Any]:
        """Leave a function uncompiled."""
        return function

    @staticmethod
    def graph_break() -> None:
        """End a piece of what is compiled, of which there is none."""


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
