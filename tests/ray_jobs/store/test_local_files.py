"""Folders as people have them: by-products of programs, links, pipes, mounts that go away, unreadable files."""

import os

import pytest

from ingest.common.errors import ConfigurationError, ObjectError, UnreachableError
from ingest.store.listing import Ignored
from ingest.store.object_reading import ReadSettings, read_object
from ingest.store.object_store import list_objects, normalise_source


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(folder, ignored=None):
    source = normalise_source(str(folder))
    return [entry.source.removeprefix(source) for entry in list_objects(source, (".pdf",), ignored)]


def test_by_products_of_programs_are_ignored_and_counted(tmp_path):
    write(tmp_path, "a.pdf", "._a.pdf", "__MACOSX/._a.pdf", "__MACOSX/x/a.pdf", "@eaDir/a.pdf", "sub/~$a.pdf", "b.part")
    ignored = Ignored()
    assert names(tmp_path, ignored) == ["a.pdf"]
    assert ignored.count == 6


def test_an_ignored_folder_that_may_not_be_listed_ends_no_run(tmp_path, monkeypatch):
    write(tmp_path, "a.pdf", "lost+found/b.pdf")

    def scandir(path, original=os.scandir):
        if os.fspath(path).endswith("lost+found"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert names(tmp_path) == ["a.pdf"]


def test_a_file_that_the_source_names_is_taken_whatever_its_name(tmp_path):
    write(tmp_path, "._a.pdf")
    assert names(tmp_path / "._a.pdf") == [""]


def test_linked_folders_and_pipes_are_counted_and_linked_files_are_read(tmp_path):
    write(tmp_path, "in/a.pdf", "out/b.pdf")
    (tmp_path / "in/linked").symlink_to(tmp_path / "out", target_is_directory=True)
    (tmp_path / "in/c.pdf").symlink_to(tmp_path / "out/b.pdf")
    os.mkfifo(tmp_path / "in/pipe.pdf")
    ignored = Ignored()
    assert names(tmp_path / "in", ignored) == ["a.pdf", "c.pdf"]
    assert ignored.count == 2


def test_a_folder_that_may_not_be_listed_is_a_configuration_error_that_names_it(tmp_path, monkeypatch):
    write(tmp_path, "private/a.pdf")

    def scandir(path, original=os.scandir):
        if os.fspath(path).endswith("private"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ConfigurationError, match="private' cannot be listed: Permission denied"):
        names(tmp_path)


def test_a_folder_that_is_removed_while_it_is_listed_is_unreachable(tmp_path):
    source = normalise_source(str(tmp_path))
    tmp_path.rmdir()
    with pytest.raises(UnreachableError, match="check that it is mounted"):
        list(list_objects(source, ()))


def failed(entry, source):
    with pytest.raises(ObjectError) as caught:
        read_object(entry.source, entry.version, entry.size, ReadSettings((source,)))
    return caught.value.failure


def test_a_file_that_vanishes_fails_and_if_the_whole_folder_is_empty_its_mount_is_gone(tmp_path):
    write(tmp_path, "a.pdf", "b.pdf")
    source = normalise_source(str(tmp_path))
    first, second = list_objects(source, ())
    (tmp_path / "a.pdf").unlink()
    assert failed(first, source) == "Vanished"
    (tmp_path / "b.pdf").unlink()
    with pytest.raises(UnreachableError, match="it is empty now"):
        read_object(second.source, second.version, second.size, ReadSettings((source,)))


def test_a_file_that_cannot_be_read_and_one_that_is_a_folder_now_fail_alone(tmp_path, monkeypatch):
    write(tmp_path, "a.pdf", "b.pdf")
    source = normalise_source(str(tmp_path))
    first, second = list_objects(source, ())
    (tmp_path / "a.pdf").unlink()
    (tmp_path / "a.pdf").mkdir()
    assert failed(first, source) == "Unreadable"
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    assert failed(second, source) == "Unreadable"
