"""Changes JSON into other JSON: what is no JSON any more tells a parser of JSON little."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**64), 10**40, 0.5, 1e308, float("nan"), float("inf"), "", " ",
    "\x00", "\x1b[31m", "\ud800", "\u202e", "x" * 300, "{about}", "%s", "../../x", "F1", "F0", "2026-02-30",
    "9999-12-31", "0001-01-01", "20260504", "<script>", "=1+1", [], {}, [[]], {"": None}, {"id": []}, [None, 1, "a"],
)  # fmt: skip


def mutated(data: bytes, most: int, seed: int, mutate_bytes: Callable[[bytes, int], bytes]) -> bytes:
    """Return the input with a few values replaced, doubled, moved or taken away; at most `most` bytes."""
    chance = random.Random(seed)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(data, most)
    if chance.random() < 0.1:
        return mutate_bytes(data, most)
    try:
        for _turn in range(chance.choice((1, 1, 1, 2, 4))):
            document = _changed(document, chance, mutate_bytes)
        changed = json.dumps(document).encode()
    except RecursionError:
        return mutate_bytes(data, most)
    return changed if len(changed) <= most else mutate_bytes(data, most)


def _changed(document: Any, chance: random.Random, mutate_bytes: Callable[[bytes, int], bytes]) -> Any:
    places = list(_places(document))
    if not places:
        return _odd(chance)
    holder, key = chance.choice(places)
    match chance.randrange(7):
        case 0 | 1:
            holder[key] = _odd(chance)
        case 2:
            del holder[key]
        case 3:  # a value from elsewhere in the document
            other, place = chance.choice(places)
            holder[key] = copy.deepcopy(other[place])
        case 4 if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        case 4:
            holder[chance.choice([str(key) + "x", *map(str, ODD[14:20])])] = copy.deepcopy(holder[key])
        case 5:
            for _turn in range(chance.choice((1, 3, 40))):
                holder[key] = [holder[key]] if chance.random() < 0.5 else {"objects": holder[key]}
        case _:
            holder[key] = _reworded(holder[key], mutate_bytes, chance)
    return document


def _odd(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(ODD))  # or a list of ours would come to lie in itself


def _reworded(value: Any, mutate_bytes: Callable[[bytes, int], bytes], chance: random.Random) -> Any:
    if isinstance(value, str):
        return mutate_bytes(value.encode("utf-8", "surrogatepass"), len(value) + 20).decode("utf-8", "replace")
    return value + chance.choice((-1, 1, 100)) if type(value) is int else _odd(chance)


def _places(document: Any) -> Any:
    """Give every place in a document as what holds it and the key or index there."""
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        keys = range(len(holder)) if isinstance(holder, list) else list(holder) if isinstance(holder, dict) else ()
        for key in keys:
            yield holder, key
            waiting.append(holder[key])
