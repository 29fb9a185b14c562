"""User-defined models and features from a plug-in file named on the command line.

The file is Python with a dict ``MODELS``, ``FEATURES`` or both, from name to class or function,
like the tables in ``genretune.models.build``. It runs with the user's permissions, so it is loaded
only if the user names it, never because a configuration mentions it. The configuration records
its digest.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch import nn

from genretune.models.arguments import list_arguments
from genretune.models.build import FEATURE_CONTEXT, FEATURES, MODEL_CONTEXT, MODELS
from genretune.models.errors import ModelError
from genretune.models.schema_text import show

Table = Mapping[str, Callable[..., nn.Module]]


@dataclass(frozen=True)
class Plugin:
    """The models and features of one plug-in file.

    Attributes:
        name: file name without its folder.
        sha256: digest of the bytes that were run.
        models: models by name.
        features: features by name.
    """

    name: str
    sha256: str
    models: Table
    features: Table


def load_plugin(path: Path) -> Plugin:
    """Run a plug-in file and check its tables.

    The file must be self-contained: modules that it imports from its own folder are not part of
    the digest.

    Raises:
        ModelError: for a file that cannot be read or run, defines no component, reuses a built-in
            name, or has arguments that a configuration cannot express.
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
            f"plugin {path.name}: must have a non-empty dict MODELS or FEATURES, "
            "got neither (write MODELS = {'my_model': MyModel})"
        )
    return Plugin(name=path.name, sha256=sha256, models=models, features=features)


def merge(plugins: Iterable[Plugin]) -> tuple[Table, Table]:
    """Merge the models and the features of several plug-ins into one table each.

    Raises:
        ModelError: if two plug-ins define the same name.
    """
    models: dict[str, Callable[..., nn.Module]] = {}
    features: dict[str, Callable[..., nn.Module]] = {}
    for plugin in plugins:
        for kind, merged, added in (
            ("model", models, plugin.models),
            ("feature", features, plugin.features),
        ):
            duplicates = sorted(set(merged) & set(added))
            if duplicates:
                raise ModelError(
                    f"plugin {plugin.name}: each {kind} needs a unique name, "
                    f"got {', '.join(duplicates)} a second time (rename it)"
                )
            merged.update(added)
    return models, features


def _run(path: Path, source: bytes, module_name: str) -> ModuleType:
    """Execute the plug-in's source, once per process and digest.

    The source is the same byte string that was hashed; reading the file again could run other code
    than the digest stands for.
    """
    loaded = sys.modules.get(module_name)
    if loaded is not None:
        return loaded
    module = ModuleType(module_name)
    module.__file__ = str(path)
    # Registered before execution: dataclasses look up the module of a class in sys.modules while
    # the class is created, and pickle does so later.
    sys.modules[module_name] = module
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[module_name]
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelError(
            f"plugin {path.name}: must run without an error, got {reason} (fix the file)"
        ) from error
    return module


def _table(
    path: Path,
    module: ModuleType,
    variable: str,
    kind: str,
    builtin: Table,
    context: tuple[str, ...],
) -> Table:
    """Read one of the file's tables and check its names and signatures.

    Args:
        variable: ``MODELS`` or ``FEATURES``.
        builtin: the table of genretune, whose names cannot be reused.
    """
    table = vars(module).get(variable, {})
    if not isinstance(table, Mapping):
        raise ModelError(
            f"plugin {path.name}: {variable} must be a dict from name to class, "
            f"got {type(table).__name__} (write {variable} = {{'my_{kind}': ...}})"
        )
    for name, component in table.items():
        if not isinstance(name, str) or not name:
            raise ModelError(
                f"plugin {path.name}: names in {variable} must be strings, got {show(name)} "
                "(quote it)"
            )
        if name in builtin:
            raise ModelError(
                f"plugin {path.name}: a {kind} must not reuse a built-in name, got {name} "
                "(rename it)"
            )
        if not callable(component):
            raise ModelError(
                f"plugin {path.name}: {variable} must hold classes or functions, "
                f"got {name} = {show(component)} (use the class itself)"
            )
        list_arguments(kind, table, name, context=context)
    return dict(table)
