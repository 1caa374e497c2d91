"""The link between two network namespaces: forwards Ethernet frames after a while, loses some, injects RSTs.

netem would do the first two, but not every kernel has it; nothing that comes with Linux does the third.
"""

import ctypes
import fcntl
import heapq
import random
import select
import socket
import struct
import threading
import time

FIN, RST, ACK = 0x01, 0x04, 0x10


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Segment:
    """One TCP segment in an Ethernet frame without options that matter here."""

    def __init__(self, frame):
        self.ethernet, packet = frame[:14], frame[14:]
        length = (packet[0] & 15) * 4
        total = struct.unpack("!H", packet[2:4])[0]
        self.ip, tcp = packet[:length], packet[length:total]
        self.ports = tcp[:4]
        self.seq, self.ack = struct.unpack("!II", tcp[4:12])
        self.flags = tcp[13]
        self.header, self.payload = tcp[: (tcp[12] >> 4) * 4], tcp[(tcp[12] >> 4) * 4 :]

    def frame(self, header, payload):
        """The same way, with another TCP header and payload."""
        tcp = header[:16] + b"\0\0" + header[18:] + payload
        pseudo = self.ip[12:20] + struct.pack("!BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        ip = self.ip[:2] + struct.pack("!H", len(self.ip) + len(tcp)) + self.ip[4:10] + b"\0\0" + self.ip[12:]
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        return self.ethernet + ip + tcp

    def cut(self, length):
        return self.frame(self.header, self.payload[:length])

    def reset(self, seq, ack):
        return self.frame(self.ports + struct.pack("!IIBBHHH", seq, ack, 5 << 4, RST | ACK, 0, 0, 0), b"")


class Link(threading.Thread):
    """Both ways: `client` and `server` are its two interfaces."""

    def __init__(self, latency):
        super().__init__(daemon=True)
        self.sockets = {name: self.open(name) for name in ("client", "server")}
        self.waiting, self.order = [], 0
        self.latency = self.usual = latency
        self.percent, self.dice = 0, random.Random(7)
        self.cut_after = None
        self.lost = 0
        # By interface: the last segment that came in there, and the sequence number after it.
        self.last = {}

    @staticmethod
    def open(name):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        opened.bind((name, 0))
        return opened

    def well(self):
        self.latency, self.percent, self.cut_after, self.lost, self.last = self.usual, 0, None, 0, {}

    def run(self):
        while True:
            wait = max(0, self.waiting[0][0] - time.monotonic()) if self.waiting else None
            ready = select.select(list(self.sockets.values()), [], [], 0.01 if wait is None else min(wait, 0.01))[0]
            for name, opened in self.sockets.items():
                if opened in ready:
                    frame, address = opened.recvfrom(65536)
                    if address[2] != socket.PACKET_OUTGOING:
                        self.arrived(name, frame)
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                _, _, name, frame = heapq.heappop(self.waiting)
                self.sockets[name].send(frame)

    def forward(self, name, frame):
        heapq.heappush(self.waiting, (time.monotonic() + self.latency, self.order, name, frame))
        self.order += 1

    def arrived(self, name, frame):
        other = "server" if name == "client" else "client"
        if frame[12:14] != b"\x08\0" or frame[23] != 6:
            return self.forward(other, frame)
        segment = Segment(frame)
        if self.dice.random() * 100 < self.percent:
            self.lost += 1
            return None
        end = (segment.seq + len(segment.payload) + bool(segment.flags & 3)) & 0xFFFFFFFF
        self.last[name] = (segment, end)
        if name == "client" and self.cut_after is not None and segment.payload:
            if len(segment.payload) >= self.cut_after:
                passing, self.cut_after = self.cut_after, None
                self.last[name] = (segment, segment.seq + passing)
                self.forward(other, segment.cut(passing))
                return self.reset()
            self.cut_after -= len(segment.payload)
        return self.forward(other, frame)

    def reset(self):
        """To each end, as if it came from the other one."""
        (up, up_end), (down, down_end) = self.last["client"], self.last["server"]
        self.forward("server", up.reset(up_end, down_end))
        self.forward("client", down.reset(down_end, up.seq))


def no_offloads(interface):
    """The kernel fills in checksums and cuts segments itself, so that what the link sees is what would be on a wire."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in (0x17, 0x1F, 0x24, 0x19):  # ETHTOOL_STXCSUM, STSO, SGSO, SSG
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            try:
                fcntl.ioctl(control, 0x8946, request)  # SIOCETHTOOL
            except OSError:
                pass  # Not every kernel lets each of them be set alone; the checksum is the one that matters.
