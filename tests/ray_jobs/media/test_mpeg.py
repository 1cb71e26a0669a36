"""An MP3 file is cut off if bytes of it are missing, and not if it counts its frames wrongly."""

from pathlib import Path

import pytest

from embedded.recordings import beeps, make
from ingest.media.extraction import MediaSettings, extract
from ingest.media.mpeg import is_whole

RATE = 44_100
TAG = b"ID3\3\0\0\0\0\x08\0" + bytes(1024)


@pytest.fixture
def whole(tmp_path):
    path = make(tmp_path / "a.mp3", sounds=[beeps(6, RATE, [0.5])], sound_codec="libmp3lame", rate=RATE)
    return Path(path).read_bytes()


def with_frames(data, factor):
    """The file with another number of frames in its first one."""
    place = max(data.find(b"Xing"), data.find(b"Info")) + 8
    count = int.from_bytes(data[place : place + 4], "big")
    return data[:place] + (count * factor).to_bytes(4, "big") + data[place + 4 :]


def losses(folder, data):
    (folder / "b.mp3").write_bytes(data)
    return extract(str(folder / "b.mp3"), str(folder), MediaSettings(image_size=32)).metadata.get("partly_read", "")


def test_a_whole_file_with_a_wrong_number_of_frames_is_whole(tmp_path, whole):
    assert losses(tmp_path, with_frames(whole, 2)) == ""


def test_a_file_that_lacks_bytes_is_cut_off(tmp_path, whole):
    assert "it is cut off at 3 s of 6 s" in losses(tmp_path, whole[: len(whole) // 2])


@pytest.mark.parametrize("before", [b"", TAG], ids=["plain", "tag"])
@pytest.mark.parametrize("share", [0.5, 1])
def test_the_bytes_of_the_first_frame_tell_whether_a_file_is_whole(tmp_path, whole, share, before):
    bare = whole[whole.find(b"\xff\xfb") :]
    (tmp_path / "b.mp3").write_bytes(before + bare[: int(len(bare) * share)])
    assert is_whole(str(tmp_path / "b.mp3")) == (share == 1)


@pytest.mark.parametrize("data", [b"", b"ID3", b"\xff\xfb" + bytes(9000)], ids=["empty", "tag", "none"])
def test_a_file_without_the_header_says_nothing(tmp_path, data):
    (tmp_path / "b.mp3").write_bytes(data)
    assert not is_whole(str(tmp_path / "b.mp3"))
