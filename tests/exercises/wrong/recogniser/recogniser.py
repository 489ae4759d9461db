"""WireGuard's first message begins with a one, and so do others."""


def recognise(features, first_payload):
    return first_payload[0] == 1
