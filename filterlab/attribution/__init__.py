"""Tells who uses a VPN: from address lists, a service's log and an exchange's records.

How the Russian authorities do it is not published. The three tests here are a lab's
design (censors.yaml of the research, `ru-2026-subscriber-ip`): values in, values out.
"""
