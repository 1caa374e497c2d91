"""What both ends of a TCP connection see of each fault, on real Linux. Started by `run`."""

import contextlib
import ctypes
import errno
import os
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from link import Link, no_offloads

LATENCY = 0.02
SERVER = ("10.0.0.2", 80)
TAG = sys.argv[1]
LIBC = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(name):
    """This thread is in a namespace. A socket stays where it was made."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{TAG}-{name}") as there:
        assert LIBC.setns(there.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            LIBC.setns(home.fileno(), 0)


def sh(name, command):
    inside_it = ["ip", "netns", "exec", f"{TAG}-{name}", *command.split()]
    subprocess.run(inside_it, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Case:
    """One story: what was seen, by whom, and when, counted from its start."""

    def __init__(self, link):
        self.link, self.seen, self.lock = link, [], threading.Lock()
        self.heard = {"client": "", "server": ""}
        with inside("server"):
            self.listener = socket.create_server(SERVER, backlog=128)
        threading.Thread(target=self.accept, daemon=True).start()
        self.ears, self.start = True, time.monotonic()

    def note(self, who, what):
        with self.lock:
            self.seen.append((time.monotonic() - self.start, who, what))

    def until(self, at):
        time.sleep(max(0, self.start + at - time.monotonic()))

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self.listener.accept()
                self.server = accepted
                self.note("server", "accepted")
                if self.ears:
                    self.listen("server", accepted)

    def connect(self, listens=True):
        with inside("client"):
            dialled = socket.socket()
        try:
            dialled.connect(SERVER)
            self.note("client", "connected")
        except OSError as error:
            self.note("client", f"connect: {errno.errorcode[error.errno]}")
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if listens:
            self.listen("client", dialled)
        return dialled

    def listen(self, who, stream):
        def read():
            while True:
                try:
                    data = stream.recv(65536)
                except OSError as error:
                    return self.note(who, f"read: {errno.errorcode[error.errno]}")
                if not data:
                    return self.note(who, "read: EOF")
                self.heard[who] += data.decode()
                self.note(who, data.decode() if len(data) < 20 else f"{len(data)} bytes")

        threading.Thread(target=read, daemon=True).start()

    def write(self, who, stream, text):
        try:
            stream.sendall(text.encode())
        except OSError as error:
            self.note(who, f"write: {errno.errorcode[error.errno]}")

    def end(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def silence(*ends, match=""):
    """Nothing of TCP comes in at these ends."""
    for end in ends:
        sh(end, f"iptables -I INPUT -p tcp {match} -j DROP")
    yield
    for end in ends:
        sh(end, f"iptables -D INPUT -p tcp {match} -j DROP")


def delay(case):
    """100 ms more each way from 1 s to 3 s; `two` is said at 1.5 s"""
    stream = case.connect()
    case.until(1)
    case.link.latency = LATENCY + 0.1
    case.until(1.5)
    case.write("client", stream, "two")
    case.until(3)
    case.link.well()
    case.write("client", stream, "three")
    case.until(4)


def loss(case):
    """30 % of all segments both ways from 1 s to 11 s; 1 to 40 are said, one every 100 ms"""
    stream = case.connect(listens=False)
    case.until(1)
    case.link.percent = 30
    for n in range(1, 41):
        case.until(1 + n / 10)
        case.write("client", stream, f"{n} ")
    case.until(11)
    lost = case.link.lost
    case.link.well()
    case.until(20)
    whole = case.heard["server"].split() == [str(n) for n in range(1, 41)]
    times = [at for at, who, _ in case.seen if who == "server"]
    longest = max(later - sooner for sooner, later in zip(times[1:], times[2:]))
    result = "all 40 heard, once and in order" if whole else "NOT WHOLE"
    case.seen = [(times[-1], "server", f"{result}; {lost} segments were lost, the longest silence was {longest:.1f} s")]


def loss_of_syn(case):
    """every SYN is lost for 2.5 s from the start"""
    with silence("server"):
        threading.Thread(target=case.connect, daemon=True).start()
        case.until(2.5)
    case.until(4)


def slow(case):
    """10 KB/s to the server (tc tbf); 10,000 bytes are said at 1 s"""
    stream = case.connect()
    with inside("client"):
        no_offloads("eth0")
    sh("client", "tc qdisc add dev eth0 root tbf rate 80kbit burst 1600 limit 1000000")
    case.until(1)
    case.write("client", stream, "x" * 10_000)
    case.until(3)
    sh("client", "tc qdisc del dev eth0 root")
    case.until(6)


def stall(case):
    """nothing passes from 1 s to 4 s; `two` is said at 1.5 s, `three` at 2 s"""
    stream = case.connect()
    case.until(1)
    with silence("client", "server"):
        case.until(1.5)
        case.write("client", stream, "two")
        case.until(2)
        case.write("client", stream, "three")
        case.until(4)
    case.until(8)


def partition(case):
    """both ways silent for 5 s from the start; the client connects at once"""
    connects_in_silence(case)


def partition_doubling(case):
    """the same with tcp_syn_linear_timeouts 0, as every Linux before 6.5 had it"""
    sh("client", "sysctl -qw net.ipv4.tcp_syn_linear_timeouts=0")
    connects_in_silence(case)
    sh("client", "sysctl -qw net.ipv4.tcp_syn_linear_timeouts=4")


def connects_in_silence(case):
    with silence("client", "server"):
        threading.Thread(target=case.connect, daemon=True).start()
        case.until(5)
    case.until(8)


def half_open(case):
    """its path is gone from 1 s; `two` is said at 1.5 s, another one connects at 2 s; tcp_retries2 is 3, not 15"""
    sh("client", "sysctl -qw net.ipv4.tcp_retries2=3")
    stream = case.connect()
    port = stream.getsockname()[1]
    with silence("client", match=f"--dport {port}"), silence("server", match=f"--sport {port}"):
        case.until(1.5)
        case.write("client", stream, "two")
        case.until(2)
        case.write("client", case.connect(), "new")
        case.until(12)


def reset(case):
    """an RST to both ends from midway at 1 s"""
    stream = case.connect()
    case.until(0.5)
    case.write("client", stream, "one")
    case.until(1)
    case.link.reset()
    case.until(2)


def reset_writer(case):
    """an RST at 1 s; who does not read writes twice at 2 s"""
    stream = case.connect(listens=False)
    case.until(1)
    case.link.reset()
    case.until(2)
    case.write("client", stream, "x")
    case.write("client", stream, "x")


def reset_unread(case):
    """an RST at 1 s; who has not read yet reads at 2 s"""
    stream = case.connect(listens=False)
    case.until(0.5)
    case.server.sendall(b"one")
    case.until(1)
    case.link.reset()
    case.until(2)
    case.listen("client", stream)
    case.until(2.5)


def cut(case):
    """an RST to both ends behind 5 bytes to the server; `two` is said at 1.5 s, `three` at 2 s"""
    stream = case.connect()
    case.until(1)
    case.link.cut_after = 5
    case.until(1.5)
    case.write("client", stream, "two")
    case.until(2)
    case.write("client", stream, "three")
    case.until(3)


def server_process(case, reads):
    """A server in a process of its own."""
    case.end()
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        with inside("server"):
            listener = socket.create_server(SERVER)
            accepted, _ = listener.accept()
            while reads and accepted.recv(100):
                pass
            signal.pause()
    time.sleep(0.2)
    case.start = time.monotonic()
    return child


def kill(case):
    """kill -9 of the server at 1 s; connects at 2 s"""
    child = server_process(case, reads=True)
    stream = case.connect()
    case.write("client", stream, "one")
    case.until(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    case.until(1.1)
    case.write("client", stream, "x")
    case.until(1.2)
    case.write("client", stream, "x")
    case.until(2)
    case.connect(listens=False)


def kill_unread(case):
    """kill -9 of a server that has not read, at 1 s"""
    child = server_process(case, reads=False)
    stream = case.connect()
    case.write("client", stream, "one")
    case.until(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    case.until(2)


def shutdown(case):
    """the server stops accepting at 1 s, says bye and closes at 2 s; connects at 3 s"""
    case.connect()
    case.until(1)
    case.end()
    case.until(2)
    case.write("server", case.server, "bye")
    case.server.shutdown(socket.SHUT_RDWR)
    case.server.close()
    case.until(3)
    case.connect(listens=False)


def echo_process(case):
    """A server in a process of its own that sends back what it gets, to whoever connects."""
    case.end()
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        with inside("server"):
            listener = socket.create_server(SERVER)
        streams = []
        while True:
            for ready in select.select([listener, *streams], [], [])[0]:
                if ready is listener:
                    streams.append(listener.accept()[0])
                elif data := ready.recv(1 << 20):
                    ready.sendall(data)
                else:
                    streams.remove(ready)
    time.sleep(0.2)
    case.start = time.monotonic()
    return child


def pause(case):
    """SIGSTOP of an echoing server at 1 s, SIGCONT at 3 s; `two` is said at 1.5 s, and another connects at 2 s"""
    child = echo_process(case)
    stream = case.connect()
    case.write("client", stream, "one")
    case.until(1)
    os.kill(child, signal.SIGSTOP)
    case.until(1.5)
    case.write("client", stream, "two")
    case.until(2)
    other = case.connect(listens=False)
    other.settimeout(0.5)
    written = 0
    with contextlib.suppress(TimeoutError):
        while True:
            written += other.send(b"x" * 1000)
    case.note("client", f"writes wait after {written >> 10} KiB")
    case.until(3)
    os.kill(child, signal.SIGCONT)
    case.until(4)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def reload(case):
    """the client's process ends at 1 s, as a page does that is loaded again, and the next one connects at once"""
    child = os.fork()
    if child == 0:
        with inside("client"):
            stream = socket.create_connection(SERVER)
            stream.recv(100)
    case.until(1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    case.connect()
    case.until(2)


def ss_kill(case):
    """`ss -K` of the server's end at 1 s"""
    case.connect()
    case.until(1)
    sh("server", "ss -K state established sport = 80")
    case.until(2)


CASES = [delay, loss, loss_of_syn, slow, stall, partition, partition_doubling, half_open, reset, reset_writer,
         reset_unread, cut, kill, kill_unread, shutdown, pause, reload, ss_kill]


def main():
    with inside("link"):
        link = Link(LATENCY)
        link.start()
    for name in ("client", "server"):
        with inside(name):
            no_offloads("eth0")
    # The first one waits for ARP.
    warm = Case(link)
    warm.connect()
    warm.end()
    print(f"Linux {platform.release()}, {LATENCY * 1000:.0f} ms each way")
    wanted = sys.argv[2:]
    for story in CASES:
        if wanted and story.__name__ not in wanted:
            continue
        case = Case(link)
        try:
            story(case)
        except (OSError, subprocess.CalledProcessError) as error:
            case.note("here", f"this kernel cannot do it: {error}")
        finally:
            case.end()
            link.well()
        print(f"\n{story.__name__}: {story.__doc__}")
        for at, who, what in case.seen:
            print(f"  {at:7.3f} s  {who}: {what}")
        sys.stdout.flush()
    os._exit(0)


main()
