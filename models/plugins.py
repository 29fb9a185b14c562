"""Users' own models and features, from a file named on the command line.

The file is Python with a dict ``MODELS``, ``FEATURES`` or both, from name to class or function,
like the tables in ``genretune.models.build``. It is run as its user; so it is loaded only because
somebody named it, never because a configuration does. The configuration holds its digest.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch import nn

from genretune.models.arguments import schema
from genretune.models.build import FEATURE_CONTEXT, FEATURES, MODEL_CONTEXT, MODELS
from genretune.models.errors import ModelError
from genretune.models.schema_text import show

Table = Mapping[str, Callable[..., nn.Module]]


@dataclass(frozen=True)
class Plugin:
    """What a plug-in file adds.

    Attributes:
        name: the file's name, without its folder.
        sha256: digest of the file as it was run.
        models: its models, by name.
        features: its features, by name.
    """

    name: str
    sha256: str
    models: Table
    features: Table


def load_plugin(path: Path) -> Plugin:
    """Run a plug-in file and check what it offers.

    The file must stand alone: what it imports from beside itself is not part of the digest.

    Raises:
        ModelError: for a file that cannot be read or run, offers nothing, takes a name that is
            taken, or has arguments that a configuration could not state.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelError(f"plugin: must be a readable Python file, got {path} ({reason})") from None
    sha256 = hashlib.sha256(source).hexdigest()
    module = _run(path, source, f"genretune_plugin_{sha256[:16]}")
    models = _table(path, module, "MODELS", "model", MODELS, MODEL_CONTEXT)
    features = _table(path, module, "FEATURES", "feature", FEATURES, FEATURE_CONTEXT)
    if not models and not features:
        raise ModelError(
            f"plugin {path.name}: must have a dict MODELS or FEATURES with something in it, "
            "got neither (write MODELS = {'my_model': MyModel})"
        )
    return Plugin(name=path.name, sha256=sha256, models=models, features=features)


def merge(plugins: Iterable[Plugin]) -> tuple[Table, Table]:
    """Join the models and the features of several plug-ins into one table each.

    Raises:
        ModelError: if two of them give the same name.
    """
    models: dict[str, Callable[..., nn.Module]] = {}
    features: dict[str, Callable[..., nn.Module]] = {}
    for plugin in plugins:
        for kind, ours, theirs in (
            ("model", models, plugin.models),
            ("feature", features, plugin.features),
        ):
            twice = sorted(set(ours) & set(theirs))
            if twice:
                raise ModelError(
                    f"plugin {plugin.name}: each {kind} needs a name of its own, "
                    f"got {', '.join(twice)} a second time (rename it)"
                )
            ours.update(theirs)
    return models, features


def _run(path: Path, source: bytes, module_name: str) -> ModuleType:
    """Run the very bytes that were digested, once a process."""
    known = sys.modules.get(module_name)
    if known is not None:
        return known
    module = ModuleType(module_name)
    module.__file__ = str(path)
    sys.modules[module_name] = module  # dataclasses and pickle look a class's module up here
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[module_name]
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelError(
            f"plugin {path.name}: must run without an error, got {reason} (mend the file)"
        ) from error
    return module


def _table(
    path: Path,
    module: ModuleType,
    variable: str,
    kind: str,
    taken: Table,
    context: tuple[str, ...],
) -> Table:
    """Read one of the file's dicts and check names and signatures."""
    table = vars(module).get(variable, {})
    if not isinstance(table, Mapping):
        raise ModelError(
            f"plugin {path.name}: {variable} must be a dict from name to class, "
            f"got {type(table).__name__} (write {variable} = {{'my_{kind}': ...}})"
        )
    for name, component in table.items():
        if not isinstance(name, str) or not name:
            raise ModelError(
                f"plugin {path.name}: names in {variable} must be texts, got {show(name)} "
                "(quote it)"
            )
        if name in taken:
            raise ModelError(
                f"plugin {path.name}: a {kind} needs a name of its own, got {name}, "
                "which genretune has already (rename it)"
            )
        if not callable(component):
            raise ModelError(
                f"plugin {path.name}: {variable} must hold classes or functions, "
                f"got {name} = {show(component)} (give the class itself)"
            )
        schema(kind, table, name, context=context)
    return dict(table)
