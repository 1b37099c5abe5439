"""Zips: read in place, and nothing dangerous is ever written."""

import stat
import zipfile

import numpy as np
import pytest

from ssrl_core import stores
from ssrl_core.datasets.importing import ImportOptions, import_source
from ssrl_core.datasets.reading import archives
from ssrl_core.datasets.reading.code_pages import code_page_of, readable_name
from ssrl_core.errors import DataError
from tests.datasets.files import class_folders, picture, png_bytes, zipped


def _refused(path, match):
    with pytest.raises(DataError, match=match):
        import_source(path, "bad")
    assert [item.name for item in stores.data_root().iterdir()] == [".locks"]


def test_a_zip_is_the_folder_it_was_made_of(tmp_path):
    folder = class_folders(tmp_path / "set", {"cat": 6, "dog": 6})
    from_folder = import_source(folder, "folder")
    from_zip = import_source(zipped(folder, tmp_path / "set.zip"), "zip")
    assert from_zip.fingerprint == from_folder.fingerprint
    assert from_zip.classes == ("cat", "dog")


def test_a_zip_of_one_class_keeps_its_name(tmp_path):
    folder = class_folders(tmp_path / "cat", {"tabby": 3})
    made = import_source(zipped(folder / "tabby", tmp_path / "one.zip"), "one")
    assert made.classes == ("tabby",)


@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/etc/out.png", "C:/out.png", "..\\out.png", "\\\\host\\out.png"]
)
def test_paths_that_leave_the_zip_are_refused(tmp_path, name):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/fine.png", png_bytes(picture()))
        archive.writestr(name, png_bytes(picture()))
    _refused(path, "inside it")
    assert not (tmp_path / "out.png").exists()


def test_links_are_refused(tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("cat/link.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    _refused(path, "link")


def test_a_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("cat/bomb.png", "w") as member:
        for _ in range(100):
            member.write(bytes(1_000_000))
    _refused(path, "grow")


def test_many_small_bombs_are_refused(tmp_path):
    path = tmp_path / "bombs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(20):
            archive.writestr(f"cat/{i}.png", bytes(5_000_000))
    _refused(path, "grow")


def test_more_than_the_disk_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 100}))
    _refused(zipped(class_folders(tmp_path / "set", {"cat": 2}), tmp_path / "set.zip"), "free")


def test_real_images_pass_the_limits(tmp_path):
    path = tmp_path / "black.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            archive.writestr(f"dark/{i}.png", png_bytes(np.zeros((300, 300), np.uint8)))
    assert import_source(path, "black").count == 3


def test_files_that_are_no_zip_or_damaged_are_named(tmp_path):
    text = tmp_path / "text.zip"
    text.write_text("hello")
    _refused(text, "not a readable zip")
    whole = zipped(class_folders(tmp_path / "set", {"cat": 2}), tmp_path / "set.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    _refused(tmp_path / "cut.zip", "not a readable zip")


def test_a_damaged_file_in_a_zip_is_skipped(tmp_path):
    path = zipped(class_folders(tmp_path / "set", {"cat": 3}), tmp_path / "set.zip")
    data = bytearray(path.read_bytes())
    place = data.find(b"IDAT") + 20
    data[place : place + 4] = b"\0\0\0\0"
    path.write_bytes(bytes(data))
    made = import_source(path, "mended")
    assert made.count == 2
    assert "damaged" in made.skipped[0]["reason"]


def test_an_encrypted_zip_says_so(tmp_path):
    path = tmp_path / "locked.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat/a.png", png_bytes(picture()))
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(bytes(data))
    _refused(path, "password")


def test_a_table_in_a_zip_names_its_images(tmp_path):
    folder = class_folders(tmp_path / "set", {"images": 4})
    (folder / "labels.csv").write_text("file,kind\n" + "".join(f"images/{i}.png,k{i % 2}\n" for i in range(4)))
    made = import_source(zipped(folder, tmp_path / "set.zip"), "tabled", ImportOptions(label="kind"))
    assert made.classes == ("k0", "k1")
    assert made.table["kind"].tolist() == ["k0", "k1", "k0", "k1"]


def test_what_a_mac_adds_to_a_zip_is_left_out(tmp_path):
    path = zipped(class_folders(tmp_path / "set", {"cat": 2}), tmp_path / "set.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/set/cat/._0.png", b"junk")
        archive.writestr("set/.DS_Store", b"junk")
    made = import_source(path, "mac")
    assert made.count == 2
    assert made.skipped == ()


def test_names_in_a_zip_without_a_flag_are_readable(tmp_path):
    written = {"utf8": "caf\u00e9", "cp1252": "\u00e8", "cp437": "\u00e4_klasse"}
    path = tmp_path / "names.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i, (code, name) in enumerate(written.items()):
            info = zipfile.ZipInfo(f"{'x' * len(name.encode(code))}/{i}.png")
            archive.writestr(info, png_bytes(picture(seed=i)))
    data = path.read_bytes()
    for i, (code, name) in enumerate(written.items()):
        raw = name.encode(code)
        data = data.replace(b"x" * len(raw) + f"/{i}.png".encode(), raw + f"/{i}.png".encode())
    path.write_bytes(data)
    made = import_source(path, "names")
    assert set(made.classes) == set(written.values())


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("cp1250", ["Ko\u010dka", "\u017b\u00f3\u0142w", "\u0158eka"]),
        ("cp852", ["ko\u010dka", "\u0142\u00f3d\u017a"]),
        ("cp1252", ["Gr\u00f6\u00dfe", "\u00e9t\u00e9", "ma\u00f1ana"]),
        ("cp1254", ["kedi \u0131\u011fd\u0131r", "k\u00f6pe\u015f"]),
        ("cp1257", ["kat\u0117", "\u0161uo"]),
        ("cp1253", ["\u03b3\u03ac\u03c4\u03b1", "\u03c3\u03ba\u03cd\u03bb\u03bf\u03c2"]),
        ("cp850", ["a\u00e7\u00e3o", "p\u00e3o"]),
        ("cp857", ["kedi \u0131\u011fd\u0131r", "k\u00f6pe\u015f"]),
        ("cp737", ["\u03b3\u03ac\u03c4\u03b1", "\u03c3\u03ba\u03cd\u03bb\u03bf\u03c2"]),
        ("cp862", ["\u05d7\u05ea\u05d5\u05dc", "\u05db\u05dc\u05d1 \u05dc\u05d1\u05df"]),
        ("cp1255", ["\u05d7\u05ea\u05d5\u05dc", "\u05db\u05dc\u05d1 \u05dc\u05d1\u05df"]),
        ("cp1256", ["\u0642\u0637\u0629", "\u0643\u0644\u0628 \u0643\u0628\u064a\u0631"]),
        ("cp720", ["\u0642\u0637\u0629", "\u0643\u0644\u0628 \u0643\u0628\u064a\u0631"]),
        ("cp874", ["\u0e41\u0e21\u0e27\u0e14\u0e33", "\u0e2a\u0e38\u0e19\u0e31\u0e02"]),
        ("mac_roman", ["Zellk\u00f6rper", "\u00e9t\u00e9", "Gr\u00f6\u00dfe"]),
        ("cp1251", ["\u043a\u043e\u0448\u043a\u0430", "\u0441\u043e\u0431\u0430\u043a\u0430"]),
    ],
)
def test_the_likeliest_code_page_is_taken_for_all_names_and_said(page, names):
    infos = [zipfile.ZipInfo(f"{name.encode(page).decode('cp437')}/1.png") for name in names]
    found, notes = code_page_of(infos, None)
    assert [readable_name(info, found) for info in infos] == [f"{name}/1.png" for name in names]
    assert f"read as {found}" in notes[0]
