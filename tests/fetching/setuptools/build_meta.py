"""A build backend (PEP 517) that knows one archive's name and version, and no more."""

from __future__ import annotations

from pathlib import Path

NAME, VERSION = "ryu", "4.34"


class _Backend:
    def get_requires_for_build_wheel(self, config_settings: object = None) -> list[str]:
        """Nothing is built, so nothing is needed."""
        return []

    def prepare_metadata_for_build_wheel(
        self, metadata_directory: str, config_settings: object = None
    ) -> str:
        """Write what pip compares with what it was asked for."""
        folder = Path(metadata_directory) / f"{NAME}-{VERSION}.dist-info"
        folder.mkdir()
        text = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n"
        (folder / "METADATA").write_text(text)
        return folder.name


# The name under which pip asks for archives that name no backend of their own.
__legacy__ = _Backend()
