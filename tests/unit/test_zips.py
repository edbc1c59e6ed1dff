"""Zips: packing always gives the same bytes, and damaged or malicious zips are refused."""

import stat
import zipfile

import pytest

from tasks.errors import BadExport
from tasks.labeling.formats import zips
from tests.fakes.exports import image_bytes, write_export


def write_zip(path, *members):
    """A zip with members as (name, bytes) or (ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def assert_refused(archive, folder, match):
    with pytest.raises(BadExport, match=match) as caught:
        zips.unpack(archive, folder)
    assert "\n" not in str(caught.value)


def test_packing_and_unpacking_gives_the_same_files_without_hidden_ones(tmp_path):
    export = write_export(tmp_path / "export", test=1)
    (export / ".DS_Store").write_bytes(b"x")
    zips.pack(export, tmp_path / "a.zip")
    zips.unpack(tmp_path / "a.zip", tmp_path / "out")
    (export / ".DS_Store").unlink()
    files = {path.relative_to(export): path.read_bytes() for path in export.rglob("*") if path.is_file()}
    assert {p.relative_to(tmp_path / "out"): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")} == files
    assert zips.first_damage(tmp_path / "a.zip") is None


def test_equal_folders_give_equal_zips(tmp_path):
    for name in ("one", "two"):
        export = write_export(tmp_path / name)
        (export / "train" / "z.txt").write_text("z")
        if name == "two":  # other order on disk, other times and rights
            (export / "train" / "z.txt").unlink()
            (export / "train" / "z.txt").write_text("z")
            (export / "train" / "z.txt").chmod(0o600)
        zips.pack(export, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.parametrize("exists", [False, True])
def test_packing_an_empty_or_missing_folder_is_refused(tmp_path, exists):
    if exists:
        (tmp_path / "empty").mkdir()
    with pytest.raises(BadExport, match="not a folder with files"):
        zips.pack(tmp_path / "empty", tmp_path / "a.zip")
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_members_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    assert_refused(
        write_zip(tmp_path / "a.zip", ("fine.txt", b"x"), (name, b"x")), tmp_path / "in" / "out", "leads out"
    )
    assert not list(tmp_path.rglob("*.txt"))


def test_symlinks_are_refused(tmp_path):
    link = zipfile.ZipInfo("train")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert_refused(
        write_zip(tmp_path / "a.zip", (link, "/etc"), ("train/x.txt", b"x")), tmp_path / "out", "not a plain file"
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_members_are_refused(tmp_path):
    assert_refused(write_zip(tmp_path / "a.zip", ("a.txt", b"x"), ("a.txt", b"y")), tmp_path / "out", "occurs twice")


def test_a_member_that_is_both_file_and_folder_is_refused(tmp_path):
    assert_refused(
        write_zip(tmp_path / "a.zip", ("a", b"x"), ("a/b", b"y")), tmp_path / "out", "both a file and a folder"
    )


def test_a_zip_bomb_is_refused_before_anything_is_written(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("a.bin", bytes(zips.MIN_BOMB_BYTES + 1)))
    assert_refused(archive, tmp_path / "out", "would unpack to")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data", [b"", b"<html>403</html>", b"PK\3\4 and no more"])
def test_a_file_that_is_not_a_zip_is_refused(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    assert_refused(tmp_path / "a.zip", tmp_path / "out", "a.zip: not a zip")
    assert zips.first_damage(tmp_path / "a.zip") == "not a zip, or cut short"


def test_a_damaged_member_is_named(tmp_path):
    zips.pack(write_export(tmp_path / "export"), tmp_path / "a.zip")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    at = data.index(b"\xff\xd8\xff") + 300
    data[at] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    assert_refused(tmp_path / "a.zip", tmp_path / "out", r"member 'train/.*jpg' is damaged; download")
    assert "is damaged" in zips.first_damage(tmp_path / "a.zip")


def test_half_a_zip_is_refused(tmp_path):
    zips.pack(write_export(tmp_path / "export"), tmp_path / "a.zip")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data[: len(data) // 2])
    assert_refused(tmp_path / "a.zip", tmp_path / "out", "not a zip, or cut short")


def test_the_fake_images_differ_by_seed():
    assert image_bytes(1) != image_bytes(2)
    assert image_bytes(1) == image_bytes(1)
