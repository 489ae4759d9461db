def recognise(features, first_payload):
    return first_payload[0] == 1
