"""Change a valid file a little, by a seed: bytes, numbers, lengths, words, nesting."""

from __future__ import annotations

import random
import re
import struct

NUMBERS = (
    *(struct.pack("<h", n) for n in (0, 1, -1, 32767, -32768, 255, 256)),
    *(struct.pack("<i", n) for n in (0, -1, 2**31 - 1, -(2**31), 65536, 30000)),
    *(struct.pack("<f", x) for x in (0.0, -1.0, 1e30, -1e30, 1e-30, float("nan"), float("inf"), 1e6)),
    *(struct.pack("<d", x) for x in (float("nan"), float("-inf"), 1e300, 1e-300)),
)
WORDS = (
    *(
        "0",
        "-1",
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "1,5",
        "0.0",
        "null",
        "true",
        '""',
        "[]",
        "{}",
        "=1+1",
    ),
    *(
        "9" * 40,
        "1" + "0" * 5000,
        "1e-400",
        '"\\ud800"',
        '"\\u0000"',
        "2024-13-45",
        "..",
        "/etc/passwd",
        "mutant",
    ),
    *(
        "[" * 5000,
        '{"a":' * 3000,
        "a" * 10_000,
        "\ufeff",
        "\x00",
        "é",
        "\n\n",
        ",,,",
        '"',
        "'",
        "[[a]]",
        "= 1",
    ),
)
_VALUE = re.compile(rb'-?\d+(?:\.\d+)?|"[^"\n]*"|[A-Za-z_]+')


def mutated(content: bytes, chance: random.Random, *, text: bool = False, head: int = 0) -> bytes:
    """Return the content with one to four changes.

    Args:
        content: of a valid file.
        chance: source of randomness; the same state gives the same change.
        text: change values and words rather than bytes.
        head: number of first bytes that are changed more often than the others; 0 for none.
    """
    for _ in range(chance.choice((1, 1, 2, 4))):
        change = chance.choice(_TEXT if text and chance.random() < 0.8 else _BYTES)
        reach = head if head and chance.random() < 0.7 else len(content)
        content = change(content, chance, max(1, min(reach, len(content))))
    return content


def _flip(content: bytes, chance: random.Random, reach: int) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        if changed:
            changed[chance.randrange(min(reach, len(changed)))] = chance.randrange(256)
    return bytes(changed)


def _number(content: bytes, chance: random.Random, reach: int) -> bytes:
    number, at = chance.choice(NUMBERS), chance.randrange(reach) // 2 * 2
    return content[:at] + number + content[at + len(number) :]


def _cut(content: bytes, chance: random.Random, reach: int) -> bytes:
    return content[: chance.randrange(reach)]


def _fill(content: bytes, chance: random.Random, reach: int) -> bytes:
    at, length = chance.randrange(reach), chance.choice((4, 16, 200))
    return content[:at] + chance.choice((b"\0", b"\xff", b" ")) * length + content[at + length :]


def _insert(content: bytes, chance: random.Random, reach: int) -> bytes:
    at = chance.randrange(reach)
    return content[:at] + chance.randbytes(chance.choice((1, 2, 8, 100))) + content[at:]


def _repeat(content: bytes, chance: random.Random, reach: int) -> bytes:
    at, length = chance.randrange(reach), chance.choice((8, 64, 500))
    return content[: at + length] + content[at:]


def _leave_out(content: bytes, chance: random.Random, reach: int) -> bytes:
    at = chance.randrange(reach)
    return content[:at] + content[at + chance.choice((1, 8, 64)) :]


def _word(content: bytes, chance: random.Random, reach: int) -> bytes:
    places = [match.span() for match in _VALUE.finditer(content)]
    if not places:
        return content
    start, end = chance.choice(places)
    word = chance.choice(WORDS).encode(chance.choice(("utf-8", "utf-8", "utf-16")), errors="replace")
    return content[:start] + word + content[end:]


def _encoding(content: bytes, chance: random.Random, reach: int) -> bytes:
    decoded = content.decode("utf-8", errors="replace")
    return decoded.encode(chance.choice(("utf-8-sig", "utf-16", "latin-1", "utf-32")), errors="replace")


_BYTES = (_flip, _number, _number, _cut, _fill, _insert, _repeat, _leave_out)
_TEXT = (_word, _word, _word, _word, _encoding)
