"""Why a matrix is not begun: something that was asked for cannot be had."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - what it is, not an error of ours
    """Nothing was started; the text says why, and `help` what to do."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help

    def __str__(self) -> str:
        helped = f"\n      = help: {self.help}" if self.help else ""
        return f"filterlab: error: {self.args[0]}{helped}"
