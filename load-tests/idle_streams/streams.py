#!/usr/bin/env python3
"""Many idle streams: the provider that hardly says anything, and the clients that wait for it.

    streams.py provider PORT EVERY         a chunk each EVERY seconds on every stream, until the client is gone
    streams.py clients PORT COUNT PID...   opens COUNT streams, holds them, closes them; weighs the process PID

One thread and one selector each. Standard library only; loopback only.
"""

import json
import os
import selectors
import socket
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(text):
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    body = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "idle", "choices": [choice]}
    return chunk(b"data: " + json.dumps(body).encode() + b"\n\n")


def listen(address):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def provider(port, every):
    selector = selectors.DefaultSelector()
    listener = listen(("127.0.0.1", port))
    selector.register(listener, selectors.EVENT_READ)
    unread, streams = {}, {}
    due = time.monotonic() + every
    while True:
        for key, _ in selector.select(max(0.0, due - time.monotonic())):
            if key.fileobj is listener:
                while True:
                    try:
                        connection, _ = listener.accept()
                    except BlockingIOError:
                        break
                    connection.setblocking(False)
                    selector.register(connection, selectors.EVENT_READ)
                    unread[connection] = b""
                continue
            connection = key.fileobj
            try:
                data = connection.recv(65536)
                if data and connection in unread:
                    unread[connection] += data
                    head, blank, body = unread[connection].partition(b"\r\n\r\n")
                    lines = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                    if blank and lines and len(body) >= int(lines[0].split(b":")[1]):
                        del unread[connection]
                        streams[connection] = True
                        connection.send(HEAD + event("The first words of an answer. "))
            except OSError:
                data = b""
            if not data:
                selector.unregister(connection)
                unread.pop(connection, None)
                streams.pop(connection, None)
                connection.close()
        if time.monotonic() >= due:
            due += every
            for connection in streams:
                try:
                    connection.send(event("A word. "))
                except OSError:
                    pass  # its end is seen above


def weight(pid):
    """KiB of the process (PSS, RSS, and what is anonymous), and its descriptors."""
    found = {}
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        for line in rollup:
            name, _, rest = line.partition(":")
            if name in ("Pss", "Rss", "Anonymous"):
                found[name.lower()] = int(rest.split()[0])
    found["fds"] = len(os.listdir(f"/proc/{pid}/fd"))
    with open("/proc/net/sockstat") as sockets:
        for line in sockets:
            if line.startswith("TCP:"):
                found["tcp_kernel_kib"] = int(line.split()[-1]) * 4
    return found


class Clients:
    def __init__(self, port, key):
        self.selector = selectors.DefaultSelector()
        self.port, self.open, self.begun, self.ended = port, [], set(), 0
        body = json.dumps({
            "model": "idle",
            "stream": True,
            "messages": [
                {"role": "system", "content": "Answer briefly. " * 32},
                {"role": "user", "content": "Name three rivers that end in the North Sea. " * 16},
            ],
        }).encode()
        self.request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
            f"user-agent: idle-streams\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    def add(self):
        # The client's address varies: one address has no more ports than ip_local_port_range tells.
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        connection.bind((f"127.0.0.{2 + len(self.open) % 8}", 0))
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(self.request)
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ)
        self.open.append(connection)

    def read(self, seconds):
        for key, _ in self.selector.select(seconds):
            try:
                data = key.fileobj.recv(65536)
            except OSError:
                data = b""
            if not data:
                self.ended += 1
                self.selector.unregister(key.fileobj)
                continue
            if b" 200 " not in data[:15] and key.fileobj not in self.begun:
                sys.exit(f"a stream was refused: {data[:400]!r}")
            self.begun.add(key.fileobj)

    def raise_to(self, count):
        deadline = time.monotonic() + 120
        while len(self.begun) < count:
            # Not more at once than a listener's queue takes.
            while len(self.open) < count and len(self.open) - len(self.begun) < 64:
                self.add()
            self.read(0.05)
            if self.ended or time.monotonic() > deadline:
                sys.exit(f"{len(self.begun)} of {count} streams stand, {self.ended} ended")

    def hold(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(max(0.0, end - time.monotonic()))

    def close(self):
        for connection in self.open:
            connection.close()
        self.selector.close()


def settled(pid, descriptors, seconds=60):
    """Waits until the process has no more descriptors than before; what it weighs then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and weight(pid)["fds"] > descriptors:
        time.sleep(0.2)
    time.sleep(1.0)  # the allocator's last pages
    return weight(pid)


def clients(port, count, pid, hold):
    key = os.environ["IDLE_KEY"]
    warm = Clients(port, key)
    warm.raise_to(min(200, count))
    warm.close()
    before = settled(pid, 200)
    runs = []
    for _ in range(2):
        many = Clients(port, key)
        begun = time.monotonic()
        many.raise_to(count)
        opened = time.monotonic() - begun
        first = weight(pid)
        many.hold(hold)
        then = weight(pid)
        ended = many.ended
        many.close()
        runs.append({
            "opened_in_s": round(opened, 1),
            "at_first": first,
            "held": then,
            "ended_while_held": ended,
            "after": settled(pid, before["fds"]),
        })
    print(json.dumps({"streams": count, "held_s": hold, "before": before, "runs": runs}))


def main():
    role, port = sys.argv[1], int(sys.argv[2])
    if role == "provider":
        provider(port, float(sys.argv[3]))
    else:
        clients(port, int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))


if __name__ == "__main__":
    main()
