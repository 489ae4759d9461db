"""All recognisers there are, by the name that `fields.FIELDS` gives them."""

from __future__ import annotations

from filterlab.inspection.recogniser import Recogniser
from filterlab.inspection.recognisers.dns import Dns
from filterlab.inspection.recognisers.http import Http
from filterlab.inspection.recognisers.tls import Tls

RECOGNISERS: dict[str, type[Recogniser]] = {
    recogniser.name: recogniser for recogniser in (Dns, Http, Tls)
}
