"""What is measured, and what it costs: processes on cores of their own, and what /proc says of them."""

import hashlib
import json
import os
import pathlib
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

LOAD_TESTS = pathlib.Path(__file__).resolve().parent.parent
ROOT = LOAD_TESTS.parent
PROXY_CPU = os.environ.get("PROXY_CPU", "0")
LOAD_CPU = os.environ.get("LOAD_CPU", "1")
KEYS = ("plain", "governed", "production")


def fail(why):
    sys.exit(f"measure: {why}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


class Process:
    """A process on one core, and what it used."""

    def __init__(self, name, cpu, command, port, work, env=None, patience=60):
        self.name, self.port, self.log = name, port, work / f"{name}.log"
        begun = time.monotonic()
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(["taskset", "-c", cpu, *map(str, command)], env=env, stdout=log, stderr=log)
        self.pid = self.process.pid
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() - begun > patience:
                    fail(f"{name} does not listen on {port}:\n{self.log.read_text()[-2000:]}")
                time.sleep(0.002)
        self.started_s = time.monotonic() - begun

    def family(self):
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [self.pid, *map(int, children.read_text().split())] if children.exists() else [self.pid]

    def cpu_us(self):
        """User and system time of all threads so far, in microseconds, by the thread's name."""
        used = {}
        for pid in self.family():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                try:
                    name = (task / "comm").read_text().strip()
                    spent = int((task / "schedstat").read_text().split()[0]) // 1000
                except OSError:
                    continue
                used[name] = used.get(name, 0) + spent
        return used

    def memory(self, what="VmRSS"):
        """KiB of all processes."""
        total = 0
        for pid in self.family():
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(what + ":"):
                    total += int(line.split()[1])
        return total

    def forget_peak(self):
        """`VmHWM` begins anew."""
        for pid in self.family():
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.family())

    def settle(self, within=3.0):
        """Waits until it does no more than now and then: what it puts off belongs to the run before."""
        until = time.monotonic() + within
        before = sum(self.cpu_us().values())
        while time.monotonic() < until:
            time.sleep(0.1)
            now = sum(self.cpu_us().values())
            if now - before < 1_000:
                return
            before = now

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Stage:
    """The programs, the subjects that run, and where results go. Ends what it started."""

    def __init__(self, built, out, quick):
        self.built, self.out, self.quick = built, out, quick
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="measure-"))
        self.processes, self.ports, self.counter = {}, {}, 0
        self.keys = {name: f"load-{name}-{secrets.token_hex(16)}" for name in KEYS}
        self.ca = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.clear()
        shutil.rmtree(self.work, ignore_errors=True)

    def clear(self):
        """Ends all."""
        for one in reversed(list(self.processes.values())):
            one.end()
        self.processes, self.ports = {}, {}

    def program(self, name):
        for path in (self.built / name, self.built / "examples" / name):
            if path.exists():
                return path
        return fail(f"{name} is not in {self.built}: run load-tests/measure/run.sh, which builds it")

    def start(self, name, cpu, command, port, **more):
        self.counter += 1
        self.processes[name] = one = Process(name, cpu, command, port, self.work, **more)
        return one

    def provider(self, *knobs):
        """The simulated provider, on the core of the load."""
        port = free_port()
        command = [self.program("weighbridge"), "simulate", "--listen", f"127.0.0.1:{port}", "--record", "1", *knobs]
        self.start("provider", LOAD_CPU, command, port)
        self.ports["direct"] = port
        return port

    def gateway(self, provider, config=None, name="weighbridge", more=None, patience=60):
        """The gateway, by `config` (default: production.yaml); `more` variables for it."""
        port, admin = free_port(), free_port()
        state = self.work / f"state-{self.counter}"
        state.mkdir(exist_ok=True)
        env = dict(os.environ, GATEWAY_PORT=str(port), ADMIN_PORT=str(admin), PROVIDER_PORT=str(provider))
        env |= {"STATE_DIR": str(state), "ACCESS_LOG": str(self.work / f"access-{self.counter}.jsonl")}
        env |= {f"{key.upper()}_HASH": hashlib.sha256(secret.encode()).hexdigest() for key, secret in self.keys.items()}
        env |= more or {}
        command = [self.program("weighbridge"), "run", "-c", config or LOAD_TESTS / "production.yaml"]
        one = self.start(name, PROXY_CPU, command, port, env=env, patience=patience)
        one.admin = admin
        while not self.is_ready(admin):
            time.sleep(0.002)
        for key in KEYS:
            self.ports[key] = port
        self.ports[name] = port
        return one

    @staticmethod
    def is_ready(admin):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=5).status == 200
        except OSError:
            return False

    def bare(self, provider):
        port = self.ports["bare"] = free_port()
        command = ["--listen", f"127.0.0.1:{port}", "--upstream", f"127.0.0.1:{provider}", "--threads", "1"]
        return self.start("bare", PROXY_CPU, [self.program("bare_passthrough"), *command], port)

    def nginx(self, provider, tls=False):
        """nginx with keep-alive on both sides; None where it is not installed."""
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if nginx is None:
            print("nginx is missing (apt-get install nginx-light): it is left out", file=sys.stderr)
            return None
        port = self.ports["nginx"] = free_port()
        text = (LOAD_TESTS / "overhead" / "nginx.conf.in").read_text()
        for word, value in (("DIR", self.work), ("PROVIDER_PORT", provider), ("NGINX_PORT", port)):
            text = text.replace(f"@{word}@", str(value))
        if tls:
            cert, key = self.certificate()
            text = text.replace(f"127.0.0.1:{port};", f"127.0.0.1:{port} ssl; ssl_certificate {cert}; ssl_certificate_key {key};")
        conf = self.work / "nginx.conf"
        conf.write_text(text)
        return self.start("nginx", PROXY_CPU, [nginx, "-c", conf, "-p", self.work, "-g", "daemon off;"], port)

    def certificate(self):
        """A certificate for `localhost` that signs itself, and its key."""
        cert, key = self.work / "cert.pem", self.work / "key.pem"
        if self.ca is None:
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"]
            done = subprocess.run([*command, "-keyout", key, "-out", cert], capture_output=True, text=True, check=False)
            if done.returncode:
                fail(f"openssl: {done.stderr}")
            self.ca = cert
        return cert, key

    def of(self, subject):
        """The process of a subject; None: `direct`."""
        if subject == "direct":
            return None
        return self.processes.get(subject) or self.processes["weighbridge"]

    def load(self, subject, *arguments, program="load_generator", key=None):
        """One run of a generator on the load's core: what it prints."""
        env = dict(os.environ)
        env["GENERATOR_KEY"] = self.keys[key or (subject if subject in KEYS else "production")]
        command = ["taskset", "-c", LOAD_CPU, self.program(program), "--target", f"127.0.0.1:{self.ports[subject]}", *arguments]
        done = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            process = self.of(subject)
            tail = process.log.read_text()[-1000:] if process else ""
            fail(f"{subject} {' '.join(map(str, arguments))}: {done.stdout} {done.stderr} {tail}")
        return json.loads(done.stdout)

    def measure(self, subject, *arguments, program="load_generator", key=None):
        """One run, and what it cost the subject."""
        process = self.of(subject)
        if process is None:
            return {"subject": subject, "load": self.load(subject, *arguments, program=program)}
        process.settle()
        process.forget_peak()
        before, rss = process.cpu_us(), process.memory()
        load = self.load(subject, *arguments, program=program, key=key)
        process.settle()
        after = process.cpu_us()
        threads = {name: used - before.get(name, 0) for name, used in after.items() if used > before.get(name, 0)}
        return {
            "subject": subject, "load": load, "cpu_us": sum(threads.values()), "threads_us": threads,
            "rss_before_kib": rss, "rss_kib": process.memory(), "peak_kib": process.memory("VmHWM"),
        }


def machine():
    """What the figures depend on."""

    def said(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        return (done.stdout or done.stderr).strip().splitlines()[0] if (done.stdout or done.stderr).strip() else "?"

    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = next(int(line.split()[1]) // 1024 for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    return {
        "date": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
        "commit": said("git", "describe", "--always", "--dirty"),
        "processor": f"{model}, {os.cpu_count()} cores; the proxy on core {PROXY_CPU}, provider and generator on core {LOAD_CPU}",
        "memory": f"{memory} MiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "C library": said("ldd", "--version"),
        "rustc": said("rustc", "--version"),
        "nginx": said(nginx, "-v").split(": ")[-1] if nginx else "not installed",
        "load at the start": " ".join(pathlib.Path("/proc/loadavg").read_text().split()[:3]),
    }
