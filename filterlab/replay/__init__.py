"""The same engine over a capture file: no seal, no privileges, the same verdicts.

    index (captures) -> headers -> sides -> passage -> engine -> findings and verdicts

`filterlab.captures.index` says where frames lie, `headers` reads many at a time,
`sides` says where each came from, `passage` gives the engine those that could change
anything, and `story` tells what came of it.
"""
