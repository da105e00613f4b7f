"""Connections on which only we speak: whether the peer still listens, and whether it took what was sent.

Syslog has no answers. What can be known without them: the peer's system acknowledged every byte (the send queue
of the socket is empty), the peer has not hung up, and, with TLS, it did not refuse us. One thing tells that the
peer itself has read everything: it ends the connection in order behind our own end (a system resets the connection
of a program that leaves bytes unread).
"""

from shipper.net.faults import HungUp
from shipper.net.oneway.connect import connect_tcp, connect_udp, connect_unix
from shipper.net.oneway.datagrams import Datagrams
from shipper.net.oneway.link import Broken, Link, Parting, TooLong
from shipper.net.oneway.stream import TLS, Stream

__all__ = [
    "TLS",
    "Broken",
    "Datagrams",
    "HungUp",
    "Link",
    "Parting",
    "Stream",
    "TooLong",
    "connect_tcp",
    "connect_udp",
    "connect_unix",
]
