"""Source code of a pydantic class that has a given JSON schema, as far as a few plain lines can say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from keyword import iskeyword
from operator import or_
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from gptcache_magics.identity.canonical import dumps

__all__ = ["SchemaClass"]

_PLAIN: Final = {"string": str, "integer": int, "number": float, "boolean": bool}
_ARGUMENTS: Final = {
    "description": "description",
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minItems": "min_length",
    "maxItems": "max_length",
}
"""Arguments of ``Field`` by the names in a JSON schema."""

_Annotation = tuple[str, Any]
"""Source and value of an annotation."""


class SchemaClass:
    """A class with a JSON schema, and those that it refers to. It is made to compare its schema with the given one.

    Parameters
    ----------
    literal
        Writes a value as Python source.

    Raises
    ------
    ValueError
        If these lines would not make a class with that schema.
    """

    def __init__(self, schema: Mapping[str, Any], literal: Callable[[Any], str]) -> None:
        self._literal, self._definitions = literal, schema.get("$defs", {})
        self._kinds: dict[str, type[BaseModel] | None] = {}
        self.lines: list[str] = []
        self.imports = {"pydantic": {"BaseModel"}, "typing": set[str]()}
        """Names that the lines use, by module."""
        try:
            self.name = str(schema["title"])
            same = dumps(self._made(self.name, schema).model_json_schema()) == dumps(schema)
        except Exception as error:  # of any kind: a schema from a bundle is foreign
            raise ValueError(f"a class cannot be made: {type(error).__name__}") from error
        if not same:
            raise ValueError("the class has another schema")

    @property
    def names(self) -> set[str]:
        """Every name that the lines define."""
        return {*self._kinds}

    def _made(self, name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
        if not name.isidentifier() or iskeyword(name):
            raise ValueError("not a name")
        self._kinds[name] = None
        properties, required = schema["properties"], schema.get("required", [])
        doc, closed = schema.get("description"), schema.get("additionalProperties") is False
        bases = 'BaseModel, extra="forbid"' if closed else "BaseModel"
        lines = [f"class {name}({bases}):"]
        if doc is not None:
            lines += [f"    {self._literal(doc)}", ""]
        fields: dict[str, Any] = {}
        # A store sorts the properties: only the required ones have an order of their own.
        for field in [*required, *(each for each in properties if each not in required)]:
            if not field.isidentifier() or iskeyword(field):
                raise ValueError("not a name")
            source, kind = self._annotation(properties[field])
            arguments = self._arguments(field, properties[field])
            lines.append(f"    {field}: {source}{self._assigned(arguments)}")
            fields[field] = (kind, Field(**arguments))
        lines += [] if doc is not None or fields else ["    pass"]
        self.lines += [*lines, "", ""]
        config = ConfigDict(extra="forbid") if closed else None
        kind = self._kinds[name] = create_model(name, __config__=config, __doc__=doc, **fields)
        return kind

    def _annotation(self, schema: Mapping[str, Any]) -> _Annotation:
        if "$ref" in schema:
            return self._referred(schema["$ref"].removeprefix("#/$defs/"))
        if "anyOf" in schema:
            parts = [self._annotation(each) for each in schema["anyOf"]]
            return " | ".join(source for source, _ in parts), reduce(or_, (kind for _, kind in parts))
        if values := schema.get("enum") or [schema[name] for name in ("const",) if name in schema]:
            self.imports["typing"].add("Literal")
            return f"Literal[{', '.join(map(self._literal, values))}]", Literal[tuple(values)]
        kind = schema.get("type")
        if kind == "null":
            return "None", type(None)
        if kind == "array":
            source, item = self._annotation(schema["items"])
            return f"list[{source}]", list[item]  # type: ignore[valid-type]
        if kind == "object":
            source, item = self._annotation(schema["additionalProperties"])
            return f"dict[str, {source}]", dict[str, item]  # type: ignore[valid-type]
        if kind is None:
            self.imports["typing"].add("Any")
            return "Any", Any
        return _PLAIN[kind].__name__, _PLAIN[kind]

    def _referred(self, name: str) -> _Annotation:
        kind = self._kinds.get(name) or (None if name in self._kinds else self._made(name, self._definitions[name]))
        if kind is None:
            raise ValueError("a class that refers to itself")
        return name, kind

    def _arguments(self, field: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        arguments = {"default": schema["default"]} if "default" in schema else {}
        if "title" in schema and schema["title"] != field.replace("_", " ").title():
            arguments["title"] = schema["title"]
        return arguments | {_ARGUMENTS[name]: value for name, value in schema.items() if name in _ARGUMENTS}

    def _assigned(self, arguments: Mapping[str, Any]) -> str:
        if not arguments:
            return ""
        if [*arguments] == ["default"]:
            return f" = {self._literal(arguments['default'])}"
        self.imports["pydantic"].add("Field")
        return f" = Field({', '.join(f'{name}={self._literal(value)}' for name, value in arguments.items())})"
