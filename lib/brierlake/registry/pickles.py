"""What a pickle would do, said without doing it."""

import pickletools
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import IO

_CALLS = {"REDUCE", "OBJ", "INST", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_NAMES = {"GLOBAL", "STACK_GLOBAL", "INST"}
_EXTENSIONS = {"EXT1", "EXT2", "EXT4", "PERSID"}
_TEXTS = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_MEMOS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_IDENTIFIER = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x5d\x00\x00", b"\x04\x22\x4d\x18")
"""gzip, bzip2, xz, lzma and lz4: joblib reads through them all, by their first bytes."""
_NEWEST_PROTOCOL = 9
_OPCODES = {each.code.encode("latin-1"): each for each in pickletools.opcodes}


def is_pickle(stream: IO[bytes]) -> bool:
    """Whether unpickling it would call something: by its header, or step by step where it has none, as text."""
    head = stream.read(2)
    stream.seek(0)
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= _NEWEST_PROTOCOL:
        return True
    return _calls(stream)


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins so is of a kind that joblib would read a pickle through."""
    return head.startswith(_COMPRESSED) or _is_zlib(head)


def find_named(content: bytes) -> set[str] | None:
    """Return what a pickle names, as `module.name`; None: that can't be told, or it isn't whole."""
    found: set[str] = set()
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in _EXTENSIONS or opcode.name == "INST":
                return None
            if opcode.name == "GLOBAL":
                found.add(str(argument).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL":
                if len(texts) < 2:
                    return None
                found.add(".".join(texts[-2:]))
            if opcode.name in _TEXTS:
                texts.append(str(argument))
            elif opcode.name not in _MEMOS:
                texts = []
    except (ValueError, IndexError, OverflowError, MemoryError, struct.error):
        return None
    return found


def _is_zlib(head: bytes) -> bool:
    if len(head) < 3 or head[0] & 0x0F != 8 or int.from_bytes(head[:2]) % 31:
        return False
    try:
        zlib.decompressobj().decompress(head)
    except zlib.error:
        return False
    return True


def _calls(stream: IO[bytes]) -> bool:
    """A broken end doesn't count: what stands before it was done by then."""
    has_name = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # texts that aren't pickles hold strange escapes
        for name, argument in _steps(stream):
            if name in _NAMES and (argument is None or all(map(_IDENTIFIER.fullmatch, str(argument).split(" ")))):
                has_name = True
            if has_name and name in _CALLS:
                return True
    return False


def _steps(stream: IO[bytes]) -> Iterator[tuple[str, object]]:
    """Yield the steps that unpickling would take until it ends or fails."""
    while code := stream.read(1):
        opcode = _OPCODES.get(code)
        if opcode is None or opcode.name == "STOP":
            return
        try:
            if opcode.name in ("INT", "LONG"):  # read as C reads them, which takes 0x10 where pickletools doesn't
                text = stream.readline().strip().rstrip(b"L")
                argument: object = int(text, 10 if text.lstrip(b"+-").isdigit() else 0)
            else:
                argument = opcode.arg.reader(stream) if opcode.arg else None
        except (ValueError, IndexError, OverflowError, MemoryError, struct.error):
            return
        yield opcode.name, argument
