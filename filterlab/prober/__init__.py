"""The active prober: connects to a suspect server, and decides from what it sees.

    suspect (address, first payload) -> questions -> reactions -> judgement

It runs on a host of its own, as ordinary programs do: what it meets is the real server.
"""
