"""A Telegram-like messenger of the lab's own: a service, a proxy before it, a client.

No package has an MTProto proxy. What goes over the wire is as published: transports,
their obfuscation with a proxy's secret, fake TLS, and MTProto 2.0's encryption.
"""
