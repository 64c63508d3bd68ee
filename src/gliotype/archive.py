"""Frozen values to a folder and back, to the last bit: numbers and words as JSON, arrays in a zip, nothing pickled."""

from __future__ import annotations

import json
import types
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from gliotype.atomic_files import atomic_write_set, reading_cached

VALUES, ARRAYS = "values.json", "arrays.zip"
Value = TypeVar("Value")


def save_values(value: object, folder: Path) -> None:
    """Write a frozen dataclass, with all that it holds, into a folder that only this user may enter.

    Args:
        value: of dataclasses, mappings with text keys, tuples, enums, arrays and plain values.
        folder: created if missing; values of an earlier call are replaced.

    Raises:
        OutputError: if the folder cannot be written.
    """
    with atomic_write_set(folder, (ARRAYS, VALUES)) as aside:
        folder.chmod(0o700)
        with zipfile.ZipFile(aside / ARRAYS, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as arrays:
            document = _plain(value, arrays, "")
        (aside / VALUES).write_text(json.dumps(document), encoding="utf-8")


def load_values(kind: type[Value], folder: Path, *within: str) -> Value:
    """Read what `save_values` wrote, or a part of it.

    Args:
        kind: type of what is wanted.
        folder: in which it was saved.
        within: names of attributes and keys that lead from the saved value to the part that is wanted.

    Raises:
        InputError: if the folder holds no such value, or it is damaged.
    """
    with reading_cached(folder / VALUES), zipfile.ZipFile(folder / ARRAYS) as arrays:
        document = json.loads((folder / VALUES).read_text(encoding="utf-8"))
        for name in within:
            document = document[name]
        return cast(Value, _value(kind, document, arrays))


def _plain(value: object, arrays: zipfile.ZipFile, path: str) -> Any:
    if isinstance(value, np.ndarray):
        return _write_array(value, arrays, path.removeprefix("/"))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, arrays, f"{path}/{key}") for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item, arrays, f"{path}/{n}") for n, item in enumerate(value)]
    return value


def _write_array(array: NDArray[Any], arrays: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """Write an array in the order in which it lies in memory, since sums depend on it; a constant takes no room."""
    if array.size > 1 and not any(array.strides):
        return {"shape": list(array.shape), "type": array.dtype.str, "constant": array.flat[0].item()}
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    with arrays.open(name, "w", force_zip64=True) as stream:
        np.lib.format.write_array(stream, np.ascontiguousarray(array.transpose(order)), allow_pickle=False)
    return {"array": name, "order": order}


def _read_array(document: Mapping[str, Any], arrays: zipfile.ZipFile) -> NDArray[Any]:
    if "constant" in document:
        constant = np.array(document["constant"], dtype=document["type"])
        return np.broadcast_to(constant, document["shape"])
    with arrays.open(document["array"]) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
    return array.transpose(np.argsort(document["order"]))


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(kind: Any, document: Any, arrays: zipfile.ZipFile) -> Any:
    """Rebuild a value of a type from its plain form."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if document is None:
            return None
        return _value(next(part for part in parts if part is not type(None)), document, arrays)
    if origin is np.ndarray:
        return _read_array(document, arrays)
    if origin is not None and issubclass(origin, Mapping):
        key, item = parts
        return {_value(key, name, arrays): _value(item, each, arrays) for name, each in document.items()}
    if origin is tuple:
        items = parts[:1] * len(document) if parts[-1] is Ellipsis else parts
        return tuple(_value(item, each, arrays) for item, each in zip(items, document, strict=True))
    if is_dataclass(kind):
        hints = _types(cast(type, kind))
        return cast(type, kind)(
            **{name: _value(hints[name], each, arrays) for name, each in document.items()}
        )
    return kind(document) if isinstance(kind, type) and issubclass(kind, Enum) else document
