"""Says when a foreign application has told its switch what to do.

An application knows nothing of our lines. Once it has handled a switch's features,
and the switch has answered a barrier sent after that, its first entries are in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from os_ken.base import app_manager
from os_ken.controller import event, ofp_event
from os_ken.controller.handler import MAIN_DISPATCHER, set_ev_cls

from filterlab.openflow import lines


class _AllHandled(event.EventBase):  # type: ignore[misc]
    """Stands in an application's queue behind all that came before."""

    def __init__(self, datapath: Any):
        super().__init__()
        self.datapath = datapath


class Readiness(app_manager.OSKenApp):  # type: ignore[misc]
    """An application beside another one, which says when that one is ready."""

    def __init__(
        self, *args: Any, watched: str, names: Mapping[int, str], **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self._watched = watched
        self._names = names
        self._ready: set[int] = set()

    @set_ev_cls(ofp_event.EventOFPStateChange, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _connected(self, happened: ofp_event.EventOFPStateChange) -> None:
        app = app_manager.lookup_service_brick(self._watched)
        if not app.event_handlers.get(_AllHandled):
            app.register_handler(_AllHandled, self._handled)
        app.send_event(app.name, _AllHandled(happened.datapath))

    def _handled(self, happened: _AllHandled) -> None:
        datapath = happened.datapath
        datapath.send_msg(datapath.ofproto_parser.OFPBarrierRequest(datapath))

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _in_place(self, happened: Any) -> None:
        dpid = happened.msg.datapath.id
        if dpid not in self._ready:
            self._ready.add(dpid)
            lines.say(event="ready", exchange=self._names.get(dpid, f"{dpid:016x}"))
