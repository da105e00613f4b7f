"""Text that cannot end a line, start a record or choose a header: what line-based formats are made of."""

import re
from typing import Any, Final

from shipper.wire.jsontext import clean, dumps

# C0, DEL, C1 (NEL among them), and Unicode's line and paragraph separators: whatever some reader takes for the
# end of a line.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# The same in the UTF-8 of JSON, where C0 cannot occur.
_UNSAFE_JSON: Final = re.compile(b"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")
_USERINFO: Final = re.compile(r"://(?:[^/@\s]+|[^@\s]*:[^@\s]*)@")
_QUERY: Final = re.compile(r"(://[^\s?#\"']*\?)([^\s#\"']+)")
_PARAMETER: Final = re.compile(r"(?P<name>[^&=]+=)?[^&]+")
# What GitHub's tokens, JSON web tokens and PEM files begin with, and long words with digits in them.
_CREDENTIAL: Final = re.compile(
    r"(?<![A-Za-z0-9])(gh[a-z]_|github_pat_|eyJ[\w-]{8})|-----BEGIN|\n|^(?=\S*\d)[\w+=]{32,}$"
)
_NOT_GRAPHIC: Final = re.compile("[^!-~]")


def neutral(text: str) -> str:
    r"""The text with control characters and line separators written as `\u000a`, as JSON does."""
    return _UNSAFE.sub(_escape, text if text.isascii() else clean(text))


def graphic(text: str, limit: int) -> str:
    """Printable US-ASCII without blanks, at most `limit` long; `-` (RFC 5424 NILVALUE) for nothing."""
    return _NOT_GRAPHIC.sub("_", text[:limit]) or "-"


def body_line(body: Any) -> bytes:
    r"""A body on one line: text as it is, everything else as JSON, with `\u007f` and the like for what is unsafe.

    Inside JSON the escapes mean the characters they stand for.
    """
    if isinstance(body, str):
        return neutral(body).encode()
    return _UNSAFE_JSON.sub(_escape_bytes, dumps(body))


def escaped(text: str) -> str:
    r"""Text for one line of a terminal: what strangers wrote can neither steer it nor start another line.

    Whatever is not printable is written as `\u000a`, as JSON does: control characters and line ends, overrides of
    the direction of writing, lone surrogates. In a line of JSON it means the same.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _units(c) for c in text)


def masked(text: str) -> str:
    """The text without the user, the password and the query's values of any URL in it."""
    text = _USERINFO.sub("://***@", text)
    return _QUERY.sub(lambda url: url[1] + _PARAMETER.sub(r"\g<name>***", url[2]), text)


def looks_secret(text: str) -> bool:
    """Whether a text that should be a name looks like a credential."""
    return bool(_CREDENTIAL.search(text))


def file_name(text: str) -> str:
    """What was written for a file's name, unless it looks like what should be in the file."""
    return "the file named here" if looks_secret(text) else text


def utf8_cut(data: bytes, limit: int) -> bytes:
    """The first `limit` bytes at most, not ending inside a character or behind a lone escaping backslash."""
    if len(data) <= limit:
        return data
    while limit > 0 and data[limit] & 0xC0 == 0x80:
        limit -= 1
    cut = data[:limit]
    backslashes = len(cut) - len(cut.rstrip(b"\\"))
    return cut[:-1] if backslashes % 2 else cut


def _units(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _escape_bytes(match: re.Match[bytes]) -> bytes:
    return f"\\u{ord(match[0].decode()):04x}".encode()
