"""The file of what an engine was given."""

from pathlib import Path

from filterlab.captures.given import (
    CHANGE,
    RECORD,
    Given,
    GivenLog,
    digest_of,
    path_in,
    read_given,
)


def test_what_is_noted_is_read_in_its_order(tmp_path: Path) -> None:
    path = path_in(tmp_path, "ntec")
    log = GivenLog(path)
    log.change(5.0, 50.0)
    log.frame(b"one", 51.0)
    log.frame(b"two", 52.0)
    assert list(read_given(path)) == []
    log.close()
    change, one, two = read_given(path)
    assert change == Given(5.0, 50.0, CHANGE)
    assert (one.now, one.digest) == (51.0, digest_of(b"one"))
    assert (two.now, two.digest) == (52.0, digest_of(b"two"))
    assert one.seconds <= two.seconds


def test_a_half_written_record_is_left_out(tmp_path: Path) -> None:
    path = path_in(tmp_path, "ntec")
    path.write_bytes(RECORD.pack(1.0, 2.0, CHANGE) + b"half")
    assert len(list(read_given(path))) == 1
