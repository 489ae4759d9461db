"""What a worker sends back is unpacked where it belongs, and nowhere else."""

from __future__ import annotations

import base64
import io
import tarfile
from pathlib import Path

from filterlab.matrix.worker import unpack


def test_only_files_within_the_folder_are_written(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("./logs/server.log", "../out.txt", "/tmp/absolute-out.txt"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"said"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    folder = tmp_path / "cell"
    unpack(base64.b64encode(packed.getvalue()).decode(), folder)
    found = [path for path in tmp_path.rglob("*") if not path.is_dir()]
    assert found == [folder / "logs" / "server.log"]
    assert found[0].read_bytes() == b"said"
    assert not Path("/tmp/absolute-out.txt").exists()
