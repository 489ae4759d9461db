"""A controller for the exchange: it lets everything through. Close port 80."""

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3


class MyController(app_manager.OSKenApp):
    OFP_VERSIONS = (ofproto_v1_3.OFP_VERSION,)

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def switch_is_here(self, ev):
        switch = ev.msg.datapath
        parser, protocol = switch.ofproto_parser, switch.ofproto
        out = [parser.OFPActionOutput(protocol.OFPP_FLOOD)]
        forward = [parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, out)]
        self.add(switch, 0, parser.OFPMatch(), forward)
        http = parser.OFPMatch(eth_type=0x0800, ip_proto=6, tcp_dst=80)
        self.add(switch, 10, http, [])

    def add(self, switch, priority, match, instructions):
        """A line in the switch's table; of two that match, the higher priority wins."""
        switch.send_msg(
            switch.ofproto_parser.OFPFlowMod(
                datapath=switch,
                priority=priority,
                match=match,
                instructions=instructions,
            )
        )
