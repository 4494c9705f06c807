"""Zip archives, written always alike and read with every size bounded before anything is unpacked.

Reading is done by hand rather than with `zipfile`: that builds an object for each of millions of names, and fails in a dozen
ways. What is accepted is plain: files stored or deflated, no encryption, no zip64, nothing before, between or behind.
"""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from studbook.merkle.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVE_LIMIT: Final = 64 * 2**20
UNPACKED_LIMIT: Final = 256 * 2**20
# Two files for each entry: enough for a subject with 20,000 revisions.
FILES_LIMIT: Final = 40_100
_NAME_LIMIT: Final = 100
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_STORED: Final = 0
_DEFLATED: Final = 8
# What a flag bit may say: how hard was compressed (1, 2), that sizes follow the data (3), that names are UTF-8 (11).
_HARMLESS_FLAGS: Final = 0x080E
_DAMAGED: Final = "the bundle is a damaged or cut-off zip file"


class _Member(NamedTuple):
    name: str
    method: int
    checksum: int
    packed: int
    size: int
    offset: int


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files in their order; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in files.items():
            member = zipfile.ZipInfo(name)  # dated 1980, which is where a zip's time begins
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3  # Unix, wherever it is written
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
    return buffer.getvalue()


def read_archive(data: bytes) -> dict[str, bytes]:
    """The files of a zip by their names.

    Raises VerificationError.
    """
    if len(data) > ARCHIVE_LIMIT:
        raise VerificationError(f"the bundle is larger than {ARCHIVE_LIMIT >> 20} MiB")
    try:
        members, end = _list_members(data)
        return {member.name: _unpack(data, member, end) for member in members}
    except struct.error:
        raise VerificationError(_DAMAGED) from None


def _list_members(data: bytes) -> tuple[list[_Member], int]:
    """The members as the central directory names them, and where that begins."""
    if len(data) < _END.size or not data.startswith(b"PK"):
        raise VerificationError("the bundle is not a zip file")
    signature, disk, other_disk, here, count, size, start, comment = _END.unpack_from(data, len(data) - _END.size)
    if signature != b"PK\5\6" or disk or other_disk or here != count or comment or start + size != len(data) - _END.size:
        raise VerificationError(_DAMAGED)
    if count > FILES_LIMIT:
        raise VerificationError(f"the bundle holds more than {FILES_LIMIT} files")
    members: list[_Member] = []
    at = start
    for _ in range(count):
        member, at = _read_member(data, at)
        members.append(member)
    if at != start + size:
        raise VerificationError(_DAMAGED)
    _check_members(members)
    return members, start


def _read_member(data: bytes, at: int) -> tuple[_Member, int]:
    fields = _CENTRAL.unpack_from(data, at)
    signature, _, _, flags, method, _, _, checksum, packed, size, name_length, extra, comment, _, _, _, offset = fields
    if signature != b"PK\1\2":
        raise VerificationError(_DAMAGED)
    name = _read_name(data[at + _CENTRAL.size : at + _CENTRAL.size + name_length])
    if flags & ~_HARMLESS_FLAGS or method not in {_STORED, _DEFLATED}:
        raise VerificationError(f"the file {name} is encrypted, or compressed in another way than by deflate")
    return _Member(name, method, checksum, packed, size, offset), at + _CENTRAL.size + name_length + extra + comment


def _read_name(raw: bytes) -> str:
    """A name that cannot lead out of the folder into which a bundle is unpacked."""
    if not 0 < len(raw) <= _NAME_LIMIT or any(not 0x20 < byte < 0x7F or byte in b'\\:*?"<>|' for byte in raw):  # noqa: PLR2004 - ASCII
        raise VerificationError("the bundle holds a file whose name is too long or has other characters than those of a bundle")
    name = raw.decode("ascii")
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise VerificationError(f"the bundle holds {name!r}, which is a folder, or a path that leads elsewhere")
    return name


def _check_members(members: list[_Member]) -> None:
    if len({member.name for member in members}) != len(members):
        raise VerificationError("the bundle holds two files of the same name")
    if sum(member.size for member in members) > UNPACKED_LIMIT:
        raise VerificationError(f"the bundle unpacks to more than {UNPACKED_LIMIT >> 20} MiB")
    places = sorted((member.offset, member.packed) for member in members)
    for (offset, packed), (following, _) in itertools.pairwise(places):
        # Files that share bytes are how a small zip unpacks to an endless one.
        if offset + _LOCAL.size + packed > following:
            raise VerificationError("files of the bundle overlap")


def _unpack(data: bytes, member: _Member, end: int) -> bytes:
    fields = _LOCAL.unpack_from(data, member.offset)
    start = member.offset + _LOCAL.size
    name = data[start : start + fields[9]]
    start += fields[9] + fields[10]
    if fields[0] != b"PK\3\4" or name != member.name.encode() or start + member.packed > end:
        raise VerificationError(_DAMAGED)
    packed = data[start : start + member.packed]
    content = packed if member.method == _STORED else _inflate(packed, member)
    if len(content) != member.size or zlib.crc32(content) != member.checksum:
        raise VerificationError(f"the file {member.name} is damaged: its size or checksum is another than the zip says")
    return content


def _inflate(packed: bytes, member: _Member) -> bytes:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflating.decompress(packed, member.size + 1)
    except zlib.error:
        raise VerificationError(f"the file {member.name} cannot be decompressed") from None
    if not inflating.eof or inflating.unused_data or inflating.unconsumed_tail:
        raise VerificationError(f"the file {member.name} is damaged: its size is another than the zip says")
    return content
