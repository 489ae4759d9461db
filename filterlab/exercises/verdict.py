"""What a check came to: line by line what was right, and what was wrong and why."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that was looked at."""

    right: bool
    what: str  # a visit, a question
    came: str  # what came of it
    why: str = ""  # if it is wrong: what to make of that


@dataclass(slots=True)
class Verdict:
    """All points, or what kept the answer from being looked at."""

    about: str = ""
    points: list[Point] = field(default_factory=list)
    stopped: str | None = None  # by a limit, a mistake, a problem in the file
    bad_input: bool = False

    @property
    def passed(self) -> bool:
        """Whether there is nothing left to do."""
        rights = [point.right for point in self.points]
        return self.stopped is None and bool(rights) and all(rights)

    def __str__(self) -> str:
        """For a terminal: every point, then each wrong one explained."""
        lines = [self.about, ""] if self.about and self.points else []
        width = max((len(point.what) for point in self.points), default=0)
        for point in self.points:
            mark = "ok   " if point.right else "WRONG"
            lines.append(f"  {mark}  {point.what:<{width}}  {point.came}".rstrip())
        for point in self.points:
            if not point.right and point.why:
                lines += ["", f"{point.what}: {point.why}"]
        if self.stopped is not None:
            lines += ["", self.stopped] if lines else [self.stopped]
        elif self.points:
            right = sum(point.right for point in self.points)
            lines += ["", f"{right} of {len(self.points)} right"]
        return "\n".join(lines)
