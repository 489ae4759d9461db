"""What an expectation may say of the certificate that a client is shown."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from filterlab.scenario.item import Item
from filterlab.scenario.problem import listed
from filterlab.scenario.values import (
    Seconds,
    Unreadable,
    one_or_more,
    word_of,
)

# A certificate in parts, as published forgeries keep or change them. The serial number
# has a head, and a tail of four bytes; the lifetime is how long it is valid.
ASPECTS = (
    *("subject", "names", "issuer", "key", "serial head", "serial tail"),
    *("lifetime", "other extensions"),
)
_HOUR = 3600
Aspects = Annotated[
    tuple[Annotated[str, word_of(*ASPECTS)], ...],
    BeforeValidator(one_or_more),
    WithJsonSchema({"type": "array", "items": {"enum": list(ASPECTS)}}),
]


class CertificateText(Item):
    """What is as in the control's certificate, what is not, how much older it is."""

    keeps: Aspects = ()
    changes: Aspects = ()
    backdated: Seconds | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """In short: all of it is genuine."""
        return {"keeps": list(ASPECTS)} if value == "genuine" else value

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.keeps and not self.changes and self.backdated is None:
            expected = "'genuine', or 'keeps', 'changes' or 'backdated'"
            raise Unreadable(expected, says="says nothing", kind="one-of")
        if both := sorted(set(self.keeps) & set(self.changes)):
            says = f"keeps and changes its {listed(both, 'and')}"
            raise Unreadable("one of them", says=says)
        return self

    @property
    def text(self) -> str:
        """The expectation in words."""
        if set(self.keeps) == set(ASPECTS):
            return "is shown the genuine certificate"
        says = []
        if self.keeps:
            says.append(f"the same {listed(self.keeps, 'and')}")
        if self.changes:
            says.append(f"another {listed(self.changes, 'and')}")
        if self.backdated is not None:
            says.append(f"dates of {self.backdated / _HOUR:g} hours before")
        return f"is shown a certificate with {', '.join(says)}"
