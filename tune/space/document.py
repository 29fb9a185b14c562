"""A YAML file as plain data, with the line of every key; YAML's traps are refused by name.

YAML 1.1 (PyYAML, W&B, many editors) and YAML 1.2 (this reader) disagree about some unquoted
words: ``1e-5`` is a string in the one and a number in the other, ``off`` a boolean and a string.
A space file has to mean the same everywhere, so such words are refused with both readings named.
"""

import re
from dataclasses import dataclass
from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from genretune.tune.space.problems import Path, Problems, SpaceError, show

_MOST = 100_000
_WORDS_OF_11 = frozenset(("yes", "no", "on", "off", "y", "n"))
_EXPONENT_WITHOUT_POINT = re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+")
_POINT_WITHOUT_SIGN = re.compile(r"[-+]?[0-9]+\.[0-9]*[eE][0-9]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")


@dataclass(frozen=True)
class Document:
    """Plain data and, for every path in it, ``file:line``; what is wrong with the text itself."""

    data: object
    locations: dict[Path, str]
    problems: Problems


def read_document(text: str, name: str) -> Document:
    """Parse one YAML document.

    Raises:
        SpaceError: it is not YAML. Words that YAML versions read differently, keys given twice,
            merge keys and tags go to the document's ``problems``.
    """
    node = _compose(text, name)
    if node is None:
        raise SpaceError([f"{name}: must hold a mapping of settings, got an empty file"])
    locations: dict[Path, str] = {}
    problems = Problems(locations)
    try:
        data = _build(node, (), _Reading(name, locations, problems))
    except RecursionError:
        raise SpaceError([f"{name}: must be a space, got it nested too deeply"]) from None
    return Document(data, locations, problems)


def read_value(text: str, where: str) -> object:
    """One value from the command line, as YAML 1.2 reads it.

    Nothing else will ever read it, so that ``1e-5`` can be the number and ``off`` the word.

    Args:
        where: it was given, for messages.

    Raises:
        SpaceError: not YAML.
    """
    node = _compose(text, where, lines=False)
    if node is None:
        return None
    problems = Problems({(): where})
    data = _build(node, (), _Reading(where, {}, problems, traps=False))
    problems.raise_if_any()
    return data


@dataclass(frozen=True)
class _Reading:
    name: str
    locations: dict[Path, str]
    problems: Problems
    traps: bool = True


def _compose(text: str, name: str, *, lines: bool = True) -> Node | None:
    try:
        return YAML(typ="safe", pure=True).compose(StringIO(text))  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        mark = error.problem_mark if lines else None
        line = "" if mark is None else f":{mark.line + 1}"
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise SpaceError([f"{name}{line}: must be YAML: {' '.join(what.split())}"]) from error
    except YAMLError as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpaceError([f"{name}: must be YAML: {first}"]) from error
    except RecursionError:
        raise SpaceError([f"{name}: must be YAML, got it nested too deeply"]) from None


def _build(node: Node, path: Path, reading: _Reading) -> object:
    reading.locations.setdefault(path, f"{reading.name}:{node.start_mark.line + 1}")
    if len(reading.locations) > _MOST:  # a few aliases of aliases can stand for billions of keys
        raise SpaceError([f"{reading.name}: must have at most {_MOST} keys and values, got more"])
    if isinstance(node, MappingNode):
        return _mapping(node, path, reading)
    if isinstance(node, SequenceNode):
        return [_build(item, (*path, i), reading) for i, item in enumerate(node.value)]
    if isinstance(node, ScalarNode):
        return _scalar(node, path, reading)
    raise TypeError(type(node).__name__)


def _mapping(node: MappingNode, path: Path, reading: _Reading) -> dict[str, object]:
    result: dict[str, object] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
        here = (*path, key)
        reading.locations[here] = f"{reading.name}:{key_node.start_mark.line + 1}"
        if key in result:
            reading.problems.add(here, "must be given once", advice="the key stands here twice")
        elif key == "<<":
            reading.problems.add(here, "merge keys are not read", advice="write the keys out")
        else:
            result[key] = _build(value_node, here, reading)
    return result


def _scalar(node: ScalarNode, path: Path, reading: _Reading) -> object:
    text: str = node.value
    if node.style is not None:
        return text
    trap = _trap(text)
    if trap and reading.traps:
        rule, advice = trap
        reading.problems.add(path, rule, advice=advice, unreadable=True)
    tag = str(node.tag).rpartition(":")[2]
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int":
        return int(text.replace("_", ""), 0) if not _LEADING_ZERO.fullmatch(text) else int(text)
    if tag == "float":
        return _float(text)
    if tag not in ("str", "timestamp"):
        reading.problems.add(path, f"tags are not read, got {show(str(node.tag))}")
    return text


def _float(text: str) -> float:
    plain = text.replace("_", "").lower()
    return float(plain.replace(".inf", "inf").replace(".nan", "nan"))


def _trap(text: str) -> tuple[str, str] | None:
    """What is ambiguous in an unquoted word, and what to write instead."""
    if text.lower() in _WORDS_OF_11:
        truth = "true" if text.lower() in ("yes", "on", "y") else "false"
        return (
            f"must mean the same in every YAML, got {text}, a boolean in YAML 1.1 and a string "
            "in YAML 1.2",
            f'write {truth} for the boolean or "{text}" for the word',
        )
    if _EXPONENT_WITHOUT_POINT.fullmatch(text) or _POINT_WITHOUT_SIGN.fullmatch(text):
        return (
            f"must mean the same in every YAML, got {text}, a string in YAML 1.1 and a number "
            "in YAML 1.2",
            f"write {_with_point(text)}",
        )
    if _LEADING_ZERO.fullmatch(text):
        return (
            f"must mean the same in every YAML, got {text}, an octal number in YAML 1.1 and a "
            "decimal one in YAML 1.2",
            f'write {int(text)} for the number or "{text}" for the word',
        )
    if _SEXAGESIMAL.fullmatch(text):
        return (
            f"must mean the same in every YAML, got {text}, a number to base 60 in YAML 1.1 and "
            "a string in YAML 1.2",
            f'write "{text}" for the word',
        )
    return None


def _with_point(text: str) -> str:
    mantissa, exponent = re.split("[eE]", text)
    mantissa = mantissa if "." in mantissa else mantissa + ".0"
    mantissa = mantissa + "0" if mantissa.endswith(".") else mantissa
    return f"{mantissa}e{exponent if exponent[0] in '+-' else '+' + exponent}"
