"""Walks the dashboard of a running demo: every page in light, dark and on a telephone, with hostile names; forms too.

    walk.py DASHBOARD TOKEN BASE_URL KEY AXE_JS SCREENSHOTS

Ends with status 1 at the first promise that does not hold.
"""

import json
import pathlib
import re
import sys
import urllib.request

from playwright.sync_api import sync_playwright

dashboard, token, base_url, key, axe_path, shots = sys.argv[1:7]
origin = dashboard.removesuffix("/dashboard")
axe = pathlib.Path(axe_path).read_text()
shots = pathlib.Path(shots)

HOSTILE = [
    "<script>document.title='hacked'</script>",
    "\"'><img src=x onerror=\"document.title='hacked'\">",
    "\u202egnihsif\u202c שלום",
    "x" * 200,
    "=HYPERLINK(\"http://evil.example\")",
]
PAGES = {
    "overview": "", "overview-30d": "?since=30d", "teams": "/teams", "team": "/team?name=demo", "keys": "/keys",
    "key": "/key?name=demo-key", "models": "/models", "guardrails": "/guardrails", "requests": "/requests",
    "settings": "/settings", "new-key": "/key/new", "new-team": "/team/new",
}


def call(model, prompt, **more):
    """Sends a request to the gateway; what it answers does not matter."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}], **more}).encode()
    head = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(f"{base_url}/chat/completions", body, head), timeout=30).read()
    except urllib.error.HTTPError as error:
        error.read()


def check(holds, promise):
    if not holds:
        sys.exit(f"FAILED: {promise}")


def sign_in(page, with_token):
    page.goto(dashboard)
    page.fill("#token", with_token)
    page.click("main button[type=submit]")


def walk(browser, name, **more):
    # axe is put into the page by the test, which the page's own policy would not let.
    context = browser.new_context(bypass_csp=True, **more)
    page = context.new_page()
    trouble = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append("a dialog"))
    page.on("request", lambda request: request.url.startswith(origin) or trouble.append(f"asks {request.url}"))
    sign_in(page, token)
    pages = dict(PAGES)
    page.goto(f"{dashboard}/requests")
    one = page.locator("#requests tbody a").first.get_attribute("href")
    pages["request"] = one.removeprefix("/dashboard")
    for what, path in pages.items():
        answer = page.goto(dashboard + path)
        check(answer.status == 200, f"{path} answers 200, not {answer.status}")
        size = len(answer.body())
        check(size < 100_000, f"{path} weighs less than 100 KB, not {size}")
        check("hacked" not in page.title(), f"no name runs a script on {path}")
        width = page.evaluate("document.documentElement.scrollWidth")
        check(width <= page.viewport_size["width"], f"{path} fits the width, and is not {width} wide")
        page.screenshot(path=shots / f"{what}-{name}.png", full_page=True)
        page.evaluate(axe)
        found = page.evaluate("axe.run(document).then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].html))")
        check(not found, f"axe finds nothing on {path} ({name}): {found}")
        check(not trouble, f"nothing unexpected happens on {path}: {trouble}")
        print(f"{name:6} {what:13} {size:6} bytes")
    context.close()


def forms(browser):
    context = browser.new_context()
    page = context.new_page()
    broken = []
    page.on("console", lambda message: "Content Security Policy" in message.text and broken.append(message.text))
    sign_in(page, "wrong-token-of-nobody")
    check(page.locator("[role=alert]").count() == 1, "a wrong token is refused")
    sign_in(page, token)
    check(page.url.startswith(dashboard), "the right one leads to the dashboard")
    cookie = next(one for one in context.cookies(dashboard) if one["name"].startswith("weighbridge_session_"))
    check(cookie["httpOnly"] and cookie["sameSite"] == "Strict", "the cookie is HttpOnly and SameSite=Strict")

    page.goto(f"{dashboard}/key/new?team=demo")
    page.fill("#name", "browser-key")
    page.click("main button[type=submit]")
    first = page.input_value("#secret")
    check(first.startswith("wb-"), "a key's secret is shown when it is made")
    page.goto(f"{dashboard}/key?name=browser-key")
    check(first not in page.content(), "and not again")
    page.click("text=Rotate")
    page.click("main button[type=submit]")
    check(page.input_value("#secret") not in ("", first), "a rotated key has another secret")
    page.goto(f"{dashboard}/key?name=browser-key")
    page.click("text=Revoke")
    csrf = page.locator("form[action='/dashboard/key/revoke'] input[name=csrf]")
    csrf.evaluate("input => input.value = 'forged'")
    with page.expect_navigation() as answer:
        page.click("main button.risky")
    check(answer.value.status == 403, "a form without its token is refused")
    page.goto(f"{dashboard}/key/revoke?name=browser-key")
    page.click("main button.risky")
    check("revoked" in page.locator("dl.facts").inner_text(), "a revoked key is shown as that")

    # The same page is whole without script, and what it exports is no formula.
    page.goto(f"{dashboard}/requests")
    file = context.request.get(f"{dashboard}/requests?csv=requests").text()
    check(not re.search(r'(^|,)"?[=+@]', file, re.M), "no cell of an export is a formula")
    check(not broken, f"nothing is against the page's own policy: {broken}")
    page.click("text=Sign out")
    page.goto(f"{dashboard}/keys")
    check("sign-in" in page.url, "whoever signed out is out")
    context.close()


for number in range(12):
    call(["fast", "claude", "flaky", "lean"][number % 4], HOSTILE[number % len(HOSTILE)], user=HOSTILE[number % 5])
for hostile in HOSTILE:
    call(hostile, hostile)

with sync_playwright() as play:
    browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    forms(browser)
    walk(browser, "light", color_scheme="light", viewport={"width": 1280, "height": 900})
    walk(browser, "dark", color_scheme="dark", viewport={"width": 1280, "height": 900})
    walk(browser, "mobile", color_scheme="light", viewport={"width": 360, "height": 740})
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    sign_in(page, token)
    check(page.locator("figure.chart").count() == 6, "pages are whole without script")
    browser.close()
print("all promises hold")
