"""Content encodings, held against the libraries that others use."""

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shipper.wire.compress import TooLarge, compress, decompress


@given(st.binary(max_size=5000))
def test_what_is_compressed_is_what_others_decompress(data: bytes) -> None:
    assert gzip.decompress(compress(data, "gzip")) == data
    assert zstandard.ZstdDecompressor().decompressobj().decompress(compress(data, "zstd")) == data
    assert compress(data, "none") == data


@given(st.binary(max_size=5000))
def test_what_others_compress_is_decompressed(data: bytes) -> None:
    assert decompress(gzip.compress(data), "gzip", 5000) == data
    assert decompress(zlib.compress(data), "Deflate", 5000) == data
    assert decompress(zstandard.ZstdCompressor().compress(data), "zstd", 5000) == data
    assert decompress(data, " identity ", 5000) == data


def test_the_same_data_gives_the_same_bytes() -> None:
    """No time of day in it: a request that is sent again is the same request."""
    assert compress(b"data", "gzip")[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "identity", ""])
def test_the_limit_holds(encoding: str) -> None:
    plain = b"\0" * 1_000_000
    packed = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.ZstdCompressor().compress}
    data = packed.get(encoding, bytes)(plain)
    assert decompress(data, encoding, 1_000_000) == plain
    with pytest.raises(TooLarge):
        decompress(data, encoding, 999_999)


def test_the_limit_holds_over_several_members() -> None:
    data = gzip.compress(b"a" * 600) * 2
    assert len(decompress(data, "gzip", 1200)) == 1200
    with pytest.raises(TooLarge):
        decompress(data, "gzip", 1199)


def test_a_zstd_frame_that_wants_a_huge_window_is_refused() -> None:
    """The window is memory that the other side chooses."""
    data = b"x" * 100
    frame = bytearray(zstandard.ZstdCompressor(write_content_size=False).compress(data))
    assert decompress(bytes(frame), "zstd", 1000) == data
    frame[5] = (29 - 10) << 3  # the window descriptor: 2**29 bytes
    with pytest.raises(ValueError, match="damaged"):
        decompress(bytes(frame), "zstd", 1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize(
    "data", [b"no such thing", gzip.compress(b"x" * 1000, mtime=0)[:-9], zlib.compress(b"x" * 1000)[:-1]]
)
def test_damaged_data_is_a_value_error(encoding: str, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"damaged|too early"):
        decompress(data, encoding, 5000)


def test_unknown_encodings_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="other than"):
        decompress(b"", "br", 100)
