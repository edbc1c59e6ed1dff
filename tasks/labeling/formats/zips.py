"""Zips of exports: unpacking them safely, and packing a folder so that equal folders give equal zips."""

import os
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tasks.errors import BadExport

MAX_BYTES = 200 * 2**30
"""An export that unpacks to more is refused."""
MAX_RATIO = 100
"""JPEGs hardly shrink and JSON shrinks tenfold; a zip that shrinks a hundredfold as a whole is a bomb."""
MAX_MEMBERS = 2_000_000
MIN_BOMB_BYTES = 64 * 2**20
"""A zip that unpacks to less is never taken for a bomb."""
_CHUNK = 2**20
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_DAMAGE_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises for damage, names that cannot be decoded, an unknown method or a password."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip into an empty folder, checking names, sizes and every CRC.

    Args:
        archive: The zip.
        folder: Created if it does not exist. Nothing outside it is written.

    Raises:
        BadExport: not a zip, damaged, too large, or with members that lead out of the folder.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            _check_members(archive, members)
            _check_sizes(archive, members, folder)
            for member in members:
                _write_member(archive, file, member, folder)
    except _DAMAGE_ERRORS as error:
        words = " ".join(str(error).split())[:200]
        raise BadExport(f"{archive.name}: not a zip, or cut short ({words}); download it again") from None


def first_damage(archive: Path) -> str | None:
    """Say how a zip is damaged: it is not a zip, or a member has a wrong CRC. None for a sound one."""
    try:
        with zipfile.ZipFile(archive) as file:
            member = file.testzip()
    except _DAMAGE_ERRORS:
        return "not a zip, or cut short"
    return f"member {member} is damaged" if member else None


def _check_members(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise BadExport(f"{archive.name}: {len(members)} members, which no export has; use a zip as Roboflow made it")
    seen: set[str] = set()
    for member in members:
        name = member.filename
        folded = unicodedata.normalize("NFC", name).casefold()  # some file systems take such names for one file
        path = PurePosixPath(name)
        leads_out = (
            path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0] if path.parts else True
        )
        mode = stat.S_IFMT(member.external_attr >> 16)
        reason = (
            "leads out of the folder" if leads_out
            else "is not a plain file" if mode not in (0, stat.S_IFREG, stat.S_IFDIR)
            else "occurs twice, or differs from another by upper and lower case alone" if folded in seen
            else "needs a password" if member.flag_bits & 0x1
            else None
        )  # fmt: skip
        if reason:
            raise BadExport(f"{archive.name}: member {name!r} {reason}; use a zip as Roboflow made it")
        seen.add(folded)


def _check_sizes(archive: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Refuse what would unpack to too much; zipfile never reads more than a member declares."""
    total = sum(member.file_size for member in members)
    packed = archive.stat().st_size
    if total > MAX_BYTES or (total > MIN_BOMB_BYTES and total > MAX_RATIO * packed):
        raise BadExport(
            f"{archive.name}: {packed} bytes would unpack to {total}, which no export does; "
            "use a zip as Roboflow made it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if total > (free := shutil.disk_usage(folder).free):
        raise BadExport(f"{archive.name}: unpacks to {total} bytes, {folder} has {free} free; make room there")


def _write_member(archive: Path, file: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder.joinpath(*PurePosixPath(member.filename).parts)
    try:
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open(member) as source, target.open("xb") as sink:
            shutil.copyfileobj(source, sink, _CHUNK)
    except _DAMAGE_ERRORS:
        raise BadExport(f"{archive.name}: member {member.filename!r} is damaged; download the export again") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise BadExport(
            f"{archive.name}: member {member.filename!r} is both a file and a folder; use a zip as Roboflow made it"
        ) from None
    except OSError as error:
        raise BadExport(
            f"{archive.name}: member {member.filename!r} cannot be written to {folder}: {error.strerror}; "
            "make room or use another folder"
        ) from None


def pack(folder: Path, archive: Path) -> None:
    """Pack an export's folder into a zip; equal folders give equal bytes on every machine.

    Members are stored, not deflated: images do not shrink, and the bytes of deflate depend on the library. Hidden files
    are left out.

    Args:
        folder: The export.
        archive: The zip, written whole or not at all.

    Raises:
        BadExport: ``folder`` is not a folder, or holds nothing.
    """
    files = sorted(_visible_files(folder), key=lambda path: path.relative_to(folder).as_posix())
    if not files:
        raise BadExport(f"{folder}: not a folder with files in it; name an export's folder")
    temporary = archive.with_name(f".{archive.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:
            for path in files:
                member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _FIXED_TIME)
                member.create_system = 3  # Unix, wherever this runs
                member.external_attr = (stat.S_IFREG | 0o644) << 16
                member.file_size = path.stat().st_size  # decides whether zipfile uses zip64
                with path.open("rb") as source, file.open(member, "w") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK)
        temporary.replace(archive)
    finally:
        temporary.unlink(missing_ok=True)


def _visible_files(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
