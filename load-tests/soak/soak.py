#!/usr/bin/env python3
"""A compressed day of mixed traffic: soak.py GATEWAY_PORT ADMIN_PORT PID MINUTES THREADS; prints one JSON object.

Calls of four dialects, whole and streamed; refusals; targets that fail, stall, break off; clients that leave and clients that
read slowly; keys that are made, used and revoked. Looks at memory, descriptors and gauges all the time. Standard library only.
"""

import http.client
import json
import os
import random
import socket
import sys
import threading
import time

GAUGES = ["weighbridge_proxy_in_flight_requests", "weighbridge_proxy_buffered_bytes", "weighbridge_ledger_open_attempts"]
QUESTION = [{"role": "user", "content": "Name three rivers. " * 40}]


class Soak:
    def __init__(self, port, admin, minutes):
        self.port, self.admin = port, admin
        self.end = time.monotonic() + minutes * 60
        self.half = self.end - minutes * 30
        self.lock, self.seen, self.wrong = threading.Lock(), {}, []
        self.key, self.token = os.environ["SOAK_KEY"], os.environ["ADMIN_TOKEN"]

    def count(self, what):
        with self.lock:
            self.seen[what] = self.seen.get(what, 0) + 1

    def ask(self, path, body, key=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"authorization": f"Bearer {key or self.key}", "content-type": "application/json"}
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), headers)
        return connection, connection.getresponse()

    def call(self, name, path, body, expect, key=None):
        connection, answer = self.ask(path, body, key)
        try:
            answer.read()
        except http.client.IncompleteRead:
            self.count(f"{name} broken off")
        connection.close()
        self.count(f"{name} {answer.status}")
        if answer.status not in expect:
            self.wrong.append(f"{name}: status {answer.status}")

    def chat(self, model, stream, **more):
        return {"model": model, "stream": stream, "messages": QUESTION, "max_tokens": 60, **more}

    def leaver(self):
        connection, answer = self.ask("/v1/chat/completions", self.chat("slow", True))
        answer.read(random.randint(1, 400))
        connection.sock and connection.sock.close()
        answer.close()
        connection.close()
        self.count("left")

    def slow_reader(self):
        body = json.dumps(self.chat("good", True, max_tokens=2000)).encode()
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(60)
            reader.connect(("127.0.0.1", self.port))
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n"
            head += f"content-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
            reader.sendall(head.encode() + body)
            while reader.recv(2048):
                time.sleep(0.01)
        self.count("slow reader")

    def admin_call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=60)
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    def churn(self):
        name = f"key-{random.getrandbits(48):x}"
        status, text = self.admin_call("POST", os.environ["KEYS_PATH"], {"name": name, "team": "soak"})
        if status not in (200, 201):
            self.wrong.append(f"key made: {status} {text[:200]!r}")
            return
        made = json.loads(text)
        secret = made.get("secret") or made.get("key")
        self.call("new key", "/v1/chat/completions", self.chat("good", False), (200,), secret)
        self.admin_call("DELETE", f"{os.environ['KEYS_PATH']}/{name}")
        self.call("revoked key", "/v1/chat/completions", self.chat("good", False), (401,), secret)

    def one(self, choice):
        chat = "/v1/chat/completions"
        if choice < 25:
            self.call("chat", chat, self.chat("good", False), (200,))
        elif choice < 45:
            self.call("stream", chat, self.chat("good", True), (200,))
        elif choice < 52:
            body = {"model": "claude", "max_tokens": 60, "stream": choice % 2 == 0, "messages": QUESTION}
            self.call("messages", "/v1/messages", body, (200,))
        elif choice < 58:
            self.call("responses", "/v1/responses", {"model": "good", "input": "hi", "stream": choice % 2 == 0}, (200,))
        elif choice < 62:
            body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
            self.call("generate", "/v1beta/models/good:generateContent", body, (200,))
        elif choice < 67:
            self.call("translated", chat, self.chat("claude", choice % 2 == 0), (200,))
        elif choice < 74:
            self.call("failing", chat, self.chat("failing", choice % 2 == 0), (200, 503))
        elif choice < 78:
            self.call("cut", chat, self.chat("cut", True), (200, 502))
        elif choice < 81:
            self.call("erring", chat, self.chat("erring", True), (200, 502, 503))
        elif choice < 83:
            self.call("stalled", chat, self.chat("stalled", True), (200, 504))
        elif choice < 87:
            self.call("garbage", chat, b'{"model":"good","messages":[{', (400,))
        elif choice < 89:
            self.call("stranger", chat, self.chat("good", False), (401, 429), "nobody")
        elif choice < 91:
            self.call("no model", chat, self.chat("none", False), (403, 404))
        elif choice < 96:
            self.leaver()
        elif choice < 98:
            self.slow_reader()
        elif time.monotonic() < self.half:
            self.churn()  # a deleted key stays on record, in memory too: memory is judged behind it

    def worker(self, seed):
        dice = random.Random(seed)
        while time.monotonic() < self.end:
            try:
                self.one(dice.randrange(100))
            except (OSError, http.client.HTTPException) as error:
                self.count(f"connection: {type(error).__name__}")

    def gauges(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=60)
        connection.request("GET", "/metrics", headers={"authorization": f"Bearer {self.token}"})
        found = dict.fromkeys(GAUGES, 0.0)
        for line in connection.getresponse().read().decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name.split("{")[0] in found:
                found[name.split("{")[0]] += float(value)
        connection.close()
        return found


def look(pid):
    with open(f"/proc/{pid}/status") as status:
        rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return rss, len(os.listdir(f"/proc/{pid}/fd"))


def slope(points):
    """KiB an hour, by least squares."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return 3600 * above / max(1e-9, sum((x - mean_x) ** 2 for x, _ in points))


def main():
    port, admin, pid, minutes, threads = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
    soak = Soak(port, admin, minutes)
    _, descriptors = look(pid)
    workers = [threading.Thread(target=soak.worker, args=(seed,)) for seed in range(threads)]
    begun, points = time.monotonic(), []
    for worker in workers:
        worker.start()
    while time.monotonic() < soak.end:
        time.sleep(min(5.0, max(0.0, soak.end - time.monotonic())))
        points.append((time.monotonic() - begun, look(pid)[0]))
    for worker in workers:
        worker.join()
    until = time.monotonic() + 90
    while time.monotonic() < until and (any(soak.gauges().values())):
        time.sleep(0.5)
    rss, left = look(pid)
    half = points[len(points) // 2:]
    print(json.dumps({
        "minutes": minutes, "seen": dict(sorted(soak.seen.items())), "wrong": soak.wrong[:20], "wrong_count": len(soak.wrong),
        "rss_kib": [points[0][1], half[0][1], points[-1][1], rss], "slope_kib_per_hour_second_half": round(slope(half)),
        "descriptors": [descriptors, left], "gauges": soak.gauges(), "points": [[round(x), y] for x, y in points],
    }))


if __name__ == "__main__":
    main()
