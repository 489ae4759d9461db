"""A student's first os-ken application: it forwards everything but plain HTTP."""

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3


class NoPlainHttp(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]  # noqa: RUF012 - as students write it

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def switch_is_here(self, ev):
        switch = ev.msg.datapath
        parser, protocol = switch.ofproto_parser, switch.ofproto
        flood = [parser.OFPActionOutput(protocol.OFPP_FLOOD)]
        forward = [parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, flood)]
        self.add(switch, 0, parser.OFPMatch(), forward)
        for ethertype in (0x0800, 0x86DD):  # IPv4, IPv6
            http = parser.OFPMatch(eth_type=ethertype, ip_proto=6, tcp_dst=80)
            self.add(switch, 10, http, [])

    def add(self, switch, priority, match, instructions):
        switch.send_msg(
            switch.ofproto_parser.OFPFlowMod(
                datapath=switch,
                priority=priority,
                match=match,
                instructions=instructions,
            )
        )
