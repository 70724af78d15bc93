"""Signs in to the dashboard at an issuer of OpenID Connect, in a real browser, with and without script.

    sign_in.py WEIGHBRIDGE WORK SCREENSHOTS

What only a browser can tell: the cookie of a sign-in under way comes back from another site, the session's, which is
`SameSite=Strict`, is sent to the page that follows, and nothing on the way is against the pages' policy. The issuer is this
script on 127.0.0.1, the dashboard is asked for as localhost: two sites. Ends with status 1 at the first promise that does
not hold.
"""

import base64
import http.server
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

from playwright.sync_api import sync_playwright

binary, work, shots = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
key = work / "issuer-key.pem"
roles = ["ops"]
codes = {}


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(claims):
    message = encoded(json.dumps({"alg": "RS256", "kid": "one"}).encode()) + "." + encoded(json.dumps(claims).encode())
    made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=message.encode(), capture_output=True, check=True)
    return message + "." + encoded(made.stdout)


class Issuer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def say(self, body, kind="application/json"):
        body = body.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks",
                    "end_session_endpoint": "logout"}
            self.say(json.dumps({"issuer": issuer, **{name: f"{issuer}/{path}" for name, path in ends.items()}}))
        elif url.path == "/jwks":
            self.say(json.dumps({"keys": [{"kty": "RSA", "kid": "one", "use": "sig", "n": encoded(modulus), "e": "AQAB"}]}))
        elif url.path == "/authorize":
            code = f"code-{len(codes)}"
            now = int(time.time())
            codes[code] = sign({"iss": issuer, "aud": asked["client_id"], "sub": "u-1", "exp": now + 60, "iat": now,
                                "preferred_username": "<b>ann</b>", "groups": roles, "nonce": asked["nonce"]})
            back = urllib.parse.urlencode({"code": code, "state": asked["state"]})
            self.say(f"<a id=back href='{asked['redirect_uri']}?{back}'>yes</a>", "text/html")
        else:
            self.say("<p id=out>signed out", "text/html")

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        self.say(json.dumps({"id_token": codes.pop(form["code"])}))


def check(holds, promise):
    if not holds:
        sys.exit(f"FAILED: {promise}")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


subprocess.run(["openssl", "genrsa", "-out", key, "2048"], capture_output=True, check=True)
shown = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-modulus"], capture_output=True, check=True).stdout
modulus = bytes.fromhex(shown.decode().strip().removeprefix("Modulus="))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
issuer = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()

admin = free_port()
config = work / "sign-in.yaml"
config.write_text(f"""
server: {{ listen: [{{ address: "127.0.0.1:{free_port()}" }}] }}
admin:
  listen: "127.0.0.1:{admin}"
  oidc: {{ issuer: "{issuer}", client_id: weighbridge, roles: {{ admin: [ops], viewer: [dev] }} }}
state: {{ dir: "{work / "sign-in-state"}" }}
""")
dashboard = f"http://localhost:{admin}/dashboard"
gateway = subprocess.Popen([binary, "run", "-c", config], stdout=subprocess.DEVNULL, stderr=open(work / "sign-in.log", "w"))


def walk(browser, script):
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    page.set_default_timeout(60_000)
    broken = []
    page.on("console", lambda message: "Content Security Policy" in message.text and broken.append(message.text))
    page.goto(f"{dashboard}/keys?team=none")
    if script:
        page.screenshot(path=shots / "sign-in-issuer.png")
    page.click(f"text=Sign in with 127.0.0.1:{server.server_port}", no_wait_after=True)
    page.click("#back")
    page.wait_for_url(f"{dashboard}/keys?team=none")
    check("<b>ann</b>" in page.locator(".who").inner_text(), "who is signed in is shown, as text")
    cookie = next(one for one in context.cookies(dashboard) if one["name"].startswith("weighbridge_session_"))
    check(cookie["httpOnly"] and cookie["sameSite"] == "Strict", "the session's cookie is HttpOnly and SameSite=Strict")
    page.click("text=Sign out")
    check("Signed out" in page.locator("h1").inner_text(), "signing out is told")
    page.click("text=Sign out there too")
    check(page.locator("#out").count() == 1, "and leads to the issuer")
    page.goto(f"{dashboard}/keys")
    check("sign-in" in page.url, "the session is over")
    roles[:] = ["cooks"]
    page.click(f"text=Sign in with 127.0.0.1:{server.server_port}", no_wait_after=True)
    page.click("#back")
    check("groups" in page.locator("[role=alert]").inner_text(), "who has no role reads which claim was looked at")
    roles[:] = ["ops"]
    check(not broken, f"nothing is against the pages' policy: {broken}")
    context.close()


try:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://localhost:{admin}/readyz", timeout=5)
            break
        except OSError:
            check(gateway.poll() is None, "the gateway starts: " + (work / "sign-in.log").read_text())
            time.sleep(0.1)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        walk(browser, script=True)
        walk(browser, script=False)
        browser.close()
finally:
    gateway.terminate()
    gateway.wait()
print("signing in at an issuer works in a browser")
