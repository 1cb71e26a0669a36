"""Ogg files: pages that are damaged or missing are named, and nothing else is taken for a loss or for a length."""

import re

import av
import numpy as np
import pytest

from embedded.recordings import beeps, make
from ingest.media import ogg
from ingest.media.extraction import MediaSettings, extract

SETTINGS = MediaSettings(image_size=32)
RATE = 48_000


@pytest.mark.parametrize("loss", ["damaged", "missing"])
def test_pages_of_an_ogg_file_that_are_lost_are_named(loss, tmp_path):
    path = tmp_path / "sound.ogg"
    make(path, sounds=[beeps(20, RATE, [1])], rate=RATE, sound_codec="libopus")
    data = path.read_bytes()
    pages = [match.start() for match in re.finditer(b"OggS", data)]
    middle, following = pages[len(pages) // 2 : len(pages) // 2 + 2]
    assert "partly_read" not in extract(str(path), str(tmp_path), SETTINGS).metadata
    rest = b"" if loss == "missing" else data[middle : following - 1] + bytes([data[following - 1] ^ 1])
    path.write_bytes(data[:middle] + rest + data[following:])
    assert "pages" in extract(str(path), str(tmp_path), SETTINGS).metadata["partly_read"]


def test_joined_ogg_files_and_a_recording_that_begins_within_a_broadcast_have_lost_no_pages(tmp_path):
    path = tmp_path / "sound.ogg"
    make(path, sounds=[beeps(20, RATE, [1])], rate=RATE, sound_codec="libopus")
    data = path.read_bytes()
    pages = [match.start() for match in re.finditer(b"OggS", data)]
    for content in (data + data, data[: pages[2]] + data[pages[9] :]):
        path.write_bytes(content)
        assert "partly_read" not in extract(str(path), str(tmp_path), SETTINGS).metadata


@pytest.mark.parametrize("unfinished", [bytes(8), b"\xff" * 8], ids=["0", "-1"])
def test_headers_of_several_pages_are_no_loss(unfinished, tmp_path):
    path = tmp_path / "sound.ogg"
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = "a cover would be here" * 10_000
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        samples = av.AudioFrame.from_ndarray(beeps(3, RATE, [1]), "s16", "mono")
        samples.sample_rate = RATE
        for packet in [*stream.encode(samples), *stream.encode(None)]:
            container.mux(packet)
    pages = re.split(b"(?=OggS)", path.read_bytes())[1:]
    headers = [index for index, page in enumerate(pages) if page[6:14] in (bytes(8), b"\xff" * 8)]
    assert len(headers) > 3
    for index in headers[2:4]:
        pages[index] = signed(pages[index], unfinished)
    path.write_bytes(b"".join(pages))
    assert "partly_read" not in extract(str(path), str(tmp_path), SETTINGS).metadata


def test_a_recording_that_ends_before_its_last_packet_has_an_ordinary_length(tmp_path):
    path = tmp_path / "sound.ogg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("vorbis", rate=RATE, layout="stereo", options={"strict": "experimental"})
        samples = av.AudioFrame.from_ndarray(np.zeros((2, 9600), np.float32), "fltp", "stereo")
        samples.sample_rate = RATE
        for packet in [*stream.encode(samples), *stream.encode(None)]:
            container.mux(packet)
    *pages, last = re.split(b"(?=OggS)", path.read_bytes())
    end = int.from_bytes(last[6:14], "little")
    path.write_bytes(b"".join([*pages, signed(last, (end // 2).to_bytes(8, "little"))]))
    assert extract(str(path), str(tmp_path), SETTINGS).duration < 0.3


def signed(page, position):
    """A page with another position, and the checksum of that."""
    page = page[:6] + position + page[14:]
    return page[:22] + ogg._checksum(page) + page[26:]
