"""Segments of TCP, which the box joins."""


def pieces(hello):
    return [hello[at : at + 20] for at in range(0, len(hello), 20)]
