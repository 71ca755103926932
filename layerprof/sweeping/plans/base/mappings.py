"""YAML as people mean it: no key twice, and numbers as YAML 1.2 writes them.

PyYAML reads YAML 1.1, in which ``010`` is 8, ``1:30`` is 90 and the last of two equal keys wins without a word.

Source:
    YAML 1.2.2, section 10.3.2 (tag resolution of the core schema).
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

_INT, _FLOAT, _MERGE = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:merge"
_INTEGERS = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOATS = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Loader(yaml.SafeLoader):
    """Makes plain data; its own lists of what numbers look like."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the class that it is made from declares it
        first: [(tag, pattern) for tag, pattern in pairs if tag not in (_INT, _FLOAT)]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[object, object] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True) if key_node.tag != _MERGE else None
            if isinstance(key, Hashable) and key is not None and seen.setdefault(key, key_node) is not key_node:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is there twice", key_node.start_mark
                )
        return super().construct_mapping(node, deep=deep)


def _whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _real(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_implicit_resolver(_INT, re.compile(rf"^(?:{_INTEGERS.pattern})$"), list("-+0123456789"))
_Loader.add_implicit_resolver(_FLOAT, re.compile(rf"^(?:{_FLOATS.pattern})$"), list("-+0123456789."))
_Loader.add_constructor(_INT, _whole)
_Loader.add_constructor(_FLOAT, _real)


def from_yaml(text: str) -> object:
    """The content of a document.

    Raises:
        yaml.YAMLError: where it is none, or a mapping has a key twice.
    """
    return yaml.load(text, Loader=_Loader)
