"""A YAML file as plain data with the line of every key; ambiguous YAML is refused by name.

YAML 1.1 (PyYAML, W&B, many editors) and YAML 1.2 (this parser) disagree about some unquoted
scalars: ``1e-5`` is a string in 1.1 and a number in 1.2, ``off`` a boolean and a string.
A space file must mean the same to every parser, so such scalars are refused, and the message names
both readings.
"""

import re
from dataclasses import dataclass
from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from genretune.tune.space.problems import Path, Problems, SpaceError, show

_MAX_NODES = 100_000
_YAML_11_BOOLEANS = frozenset(("yes", "no", "on", "off", "y", "n"))
_EXPONENT_WITHOUT_POINT = re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+")
_EXPONENT_WITHOUT_SIGN = re.compile(r"[-+]?[0-9]+\.[0-9]*[eE][0-9]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")


@dataclass(frozen=True)
class Document:
    """A parsed YAML document.

    Attributes:
        data: plain Python data.
        locations: ``file:line`` of every path in ``data``.
        problems: what is wrong with the text itself.
    """

    data: object
    locations: dict[Path, str]
    problems: Problems


def read_document(text: str, name: str) -> Document:
    """Parse one YAML document.

    Ambiguous scalars, duplicate keys, merge keys and tags do not raise; they are added to the
    document's ``problems``.

    Args:
        name: file name for messages.

    Raises:
        SpaceError: the text is not valid YAML.
    """
    node = _compose(text, name)
    if node is None:
        raise SpaceError([f"{name}: must hold a mapping of settings, got an empty file"])
    locations: dict[Path, str] = {}
    problems = Problems(locations)
    try:
        data = _build(node, (), _Context(name, locations, problems))
    except RecursionError:
        raise SpaceError([f"{name}: must be a search space, got it nested too deeply"]) from None
    return Document(data, locations, problems)


def read_value(text: str, where: str) -> object:
    """Parse one value from the command line as YAML 1.2.

    No other program parses it, so ``1e-5`` may be the number and ``off`` the string.

    Args:
        where: source of the text for messages.

    Raises:
        SpaceError: the text is not valid YAML, or has duplicate keys, merge keys or tags.
    """
    node = _compose(text, where, lines=False)
    if node is None:
        return None
    problems = Problems({(): where})
    data = _build(node, (), _Context(where, {}, problems, allow_ambiguous=True))
    problems.raise_if_any()
    return data


@dataclass(frozen=True)
class _Context:
    name: str
    locations: dict[Path, str]
    problems: Problems
    allow_ambiguous: bool = False


def _compose(text: str, name: str, *, lines: bool = True) -> Node | None:
    try:
        return YAML(typ="safe", pure=True).compose(StringIO(text))  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        mark = error.problem_mark if lines else None
        line = "" if mark is None else f":{mark.line + 1}"
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise SpaceError([f"{name}{line}: must be valid YAML: {' '.join(what.split())}"]) from error
    except YAMLError as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpaceError([f"{name}: must be valid YAML: {first}"]) from error
    except RecursionError:
        raise SpaceError([f"{name}: must be valid YAML, got it nested too deeply"]) from None


def _build(node: Node, path: Path, context: _Context) -> object:
    context.locations.setdefault(path, f"{context.name}:{node.start_mark.line + 1}")
    # a few aliases of aliases can expand to billions of keys ("billion laughs")
    if len(context.locations) > _MAX_NODES:
        raise SpaceError(
            [f"{context.name}: must have at most {_MAX_NODES} keys and values, got more"]
        )
    if isinstance(node, MappingNode):
        return _mapping(node, path, context)
    if isinstance(node, SequenceNode):
        return [_build(item, (*path, i), context) for i, item in enumerate(node.value)]
    if isinstance(node, ScalarNode):
        return _scalar(node, path, context)
    raise TypeError(f"must be a mapping, a sequence or a scalar, got {type(node).__name__}")


def _mapping(node: MappingNode, path: Path, context: _Context) -> dict[str, object]:
    result: dict[str, object] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
        key_path = (*path, key)
        context.locations[key_path] = f"{context.name}:{key_node.start_mark.line + 1}"
        if key in result:
            context.problems.add(key_path, "must be given once", advice="duplicate key")
        elif key == "<<":
            context.problems.add(
                key_path, "merge keys are not supported", advice="write the keys out"
            )
        else:
            result[key] = _build(value_node, key_path, context)
    return result


def _scalar(node: ScalarNode, path: Path, context: _Context) -> object:
    text: str = node.value
    # a quoted scalar is a string in every YAML version
    if node.style is not None:
        return text
    ambiguity = _ambiguity(text)
    if ambiguity and not context.allow_ambiguous:
        rule, advice = ambiguity
        context.problems.add(path, rule, advice=advice, unreadable=True)
    tag = str(node.tag).rpartition(":")[2]
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        # int(..., 0) reads 0x and 0o but refuses 012, which is decimal in YAML 1.2
        return int(text.replace("_", ""), 0) if not _LEADING_ZERO.fullmatch(text) else int(text)
    if tag == "float":
        return _float(text)
    if tag not in ("str", "timestamp"):
        context.problems.add(path, f"tags are not supported, got {show(str(node.tag))}")
    return text


def _float(text: str) -> float:
    plain = text.replace("_", "").lower()
    return float(plain.replace(".inf", "inf").replace(".nan", "nan"))


def _ambiguity(text: str) -> tuple[str, str] | None:
    """Return (rule, advice) for an unquoted scalar that YAML 1.1 and 1.2 read differently."""
    rule = f"must not be ambiguous YAML, got {text}"
    if text.lower() in _YAML_11_BOOLEANS:
        boolean = "true" if text.lower() in ("yes", "on", "y") else "false"
        return (
            f"{rule}, a boolean in YAML 1.1 and a string in YAML 1.2",
            f'write {boolean} for the boolean or "{text}" for the string',
        )
    if _EXPONENT_WITHOUT_POINT.fullmatch(text) or _EXPONENT_WITHOUT_SIGN.fullmatch(text):
        return (
            f"{rule}, a string in YAML 1.1 and a number in YAML 1.2",
            f"write {_with_point(text)}",
        )
    if _LEADING_ZERO.fullmatch(text):
        return (
            f"{rule}, an octal number in YAML 1.1 and a decimal one in YAML 1.2",
            f'write {int(text)} for the number or "{text}" for the string',
        )
    if _SEXAGESIMAL.fullmatch(text):
        return (
            f"{rule}, a number to base 60 in YAML 1.1 and a string in YAML 1.2",
            f'write "{text}" for the string',
        )
    return None


def _with_point(text: str) -> str:
    """Return the number with a decimal point and a signed exponent, as YAML 1.1 requires."""
    mantissa, exponent = re.split("[eE]", text)
    mantissa = mantissa if "." in mantissa else mantissa + ".0"
    mantissa = mantissa + "0" if mantissa.endswith(".") else mantissa
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
