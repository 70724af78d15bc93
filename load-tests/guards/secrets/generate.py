#!/usr/bin/env python3
"""Makes the sets: texts with made-up secrets of documented formats, and ordinary texts.

    generate.py dev|held DIR        writes secrets.jsonl and benign.jsonl, prints their SHA-256

`dev` is what the rules were tuned on. `held` has other seeds, other contexts and other sources. The formats below are
written down from issuers' pages and from what is publicly known, apart from the tables of the guard.
"""
import base64, glob, hashlib, json, os, random, re, sys, uuid, zlib

B62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LOW = "abcdefghijklmnopqrstuvwxyz0123456789"
UP = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
HEX = "0123456789abcdef"
URL = B62 + "-_"
B64 = B62 + "+/"
B32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def s(self, alphabet, least, most=None):
        n = self.r.randint(least, most or least)
        inner = "".join(self.r.choice(alphabet) for _ in range(n))
        # Neither end is a sign, so that where a token ends is no question.
        edge = [c for c in alphabet if c.isalnum()]
        return self.r.choice(edge) + inner[1:-1] + self.r.choice(edge) if n > 1 else inner

    def github(self, prefix):
        body = self.s(B62, 30)
        n, out = zlib.crc32(body.encode()), ""
        for _ in range(6):
            n, d = divmod(n, 62)
            out = B62[d] + out
        return prefix + body + out

    def uuid(self):
        return str(uuid.UUID(int=self.r.getrandbits(128), version=4))

    def jwt(self):
        part = lambda o: base64.urlsafe_b64encode(json.dumps(o, separators=(",", ":")).encode()).decode().rstrip("=")
        head = self.r.choice([{"alg": "HS256", "typ": "JWT"}, {"typ": "JWT", "alg": "RS256", "kid": self.s(URL, 20, 43)}])
        body = {"sub": self.uuid(), "iat": self.r.randint(16 * 10**8, 19 * 10**8), "scope": "read write"}
        return ".".join([part(head), part(body), self.s(URL, 43, 342)])

    def pem(self, label):
        body = "".join(self.s(B64, 64) + "\n" for _ in range(self.r.randint(3, 26)))
        return f"-----BEGIN {label}-----\n{body}-----END {label}-----"


def formats(m):
    """Name and a token of each vendor's format."""
    s, r = m.s, m.r
    return {
        "aws_access_key": lambda: r.choice(["AKIA", "ASIA"]) + s(B32, 16),
        "aws_bedrock": lambda: "ABSK" + s(B64, 109, 130),
        "github_classic": lambda: m.github(r.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"])),
        "github_fine": lambda: "github_pat_" + s(B62, 22) + "_" + s(B62, 59),
        "gitlab_pat": lambda: "glpat-" + s(URL, 20),
        "gitlab_routable": lambda: "glpat-" + s(URL, 27) + "." + s(HEX, 2) + "." + s(LOW, 9),
        "gitlab_deploy": lambda: "gldt-" + s(URL, 20),
        "gitlab_runner": lambda: "glrt-" + s(URL, 20),
        "gitlab_trigger": lambda: "glptt-" + s(HEX, 40),
        "bitbucket": lambda: "ATBB" + s(B62, 32),
        "atlassian": lambda: "ATATT3xFfGF0" + s(URL, 160, 175) + "=" + s(HEX.upper(), 8),
        "slack_bot": lambda: "xoxb-" + s("123456789", 11, 13) + "-" + s("123456789", 11, 13) + "-" + s(B62, 24),
        "slack_user": lambda: "xoxp-" + "-".join(s("123456789", 12) for _ in range(3)) + "-" + s(HEX, 32),
        "slack_app": lambda: "xapp-1-A" + s(UP, 10) + "-" + s("123456789", 13) + "-" + s(HEX, 64),
        "slack_webhook": lambda: "https://hooks.slack.com/services/T" + s(UP, 10) + "/B" + s(UP, 10) + "/" + s(B62, 24),
        "openai_project": lambda: "sk-proj-" + s(URL, 74) + "T3BlbkFJ" + s(URL, 74),
        "openai_service": lambda: "sk-svcacct-" + s(URL, 58) + "T3BlbkFJ" + s(URL, 58),
        "openai_legacy": lambda: "sk-" + s(B62, 20) + "T3BlbkFJ" + s(B62, 20),
        "anthropic": lambda: "sk-ant-api03-" + s(URL, 93) + "AA",
        "anthropic_admin": lambda: "sk-ant-admin01-" + s(URL, 93) + "AA",
        "google_api": lambda: "AIza" + s(URL, 35),
        "google_oauth": lambda: "GOCSPX-" + s(URL, 28),
        "google_refresh": lambda: "1//0" + s(URL, 60, 98),
        "huggingface": lambda: "hf_" + s(B62[10:], 34),
        "npm": lambda: m.github("npm_"),
        "pypi": lambda: "pypi-AgEIcHlwaS5vcmc" + s(URL, 140, 160),
        "rubygems": lambda: "rubygems_" + s(HEX, 48),
        "crates_io": lambda: "cio" + s(B62, 32),
        "nuget": lambda: "oy2" + s(LOW, 43),
        "docker": lambda: "dckr_pat_" + s(URL, 27),
        "sendgrid": lambda: "SG." + s(URL, 22) + "." + s(URL, 43),
        "twilio": lambda: "SK" + s(HEX, 32),
        "stripe_live": lambda: "sk_live_" + s(B62, 24, 99),
        "stripe_restricted": lambda: "rk_live_" + s(B62, 24, 99),
        "stripe_test": lambda: "sk_test_" + s(B62, 24, 99),
        "stripe_webhook": lambda: "whsec_" + s(B62, 32),
        "square": lambda: "sq0csp-" + s(URL, 43),
        "shopify": lambda: r.choice(["shpat_", "shpca_", "shppa_", "shpss_"]) + s(HEX, 32),
        "plaid": lambda: "access-production-" + m.uuid(),
        "digitalocean": lambda: "dop_v1_" + s(HEX, 64),
        "databricks": lambda: "dapi" + s(HEX, 32),
        "vault_service": lambda: "hvs." + s(URL, 90, 120),
        "vault_batch": lambda: "hvb." + s(URL, 138, 160),
        "terraform": lambda: s(B62, 14) + ".atlasv1." + s(URL, 60, 70),
        "telegram": lambda: s("123456789", 8, 10) + ":AA" + s(URL, 33),
        "discord_bot": lambda: base64.b64encode(s("123456789", 18).encode()).decode() + "." + s(URL, 6) + "." + s(URL, 38),
        "discord_webhook": lambda: "https://discord.com/api/webhooks/" + s("123456789", 18) + "/" + s(URL, 68),
        "azure_storage": lambda: "DefaultEndpointsProtocol=https;AccountName=store;AccountKey=" + s(B64, 86) + "==;EndpointSuffix=core.windows.net",
        "azure_client_secret": lambda: s(B62, 3) + "8Q~" + s(URL, 34),
        "azure_service_bus": lambda: "Endpoint=sb://b.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=" + s(B64, 43) + "=",
        "linear": lambda: "lin_api_" + s(B62, 40),
        "notion": lambda: "ntn_" + s("123456789", 11) + s(B62, 35),
        "notion_old": lambda: "secret_" + s(B62, 43),
        "doppler": lambda: "dp.pt." + s(B62, 43),
        "grafana_service": lambda: "glsa_" + s(B62, 32) + "_" + s(HEX, 8),
        "age": lambda: "AGE-SECRET-KEY-1" + s("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
        "newrelic": lambda: "NRAK-" + s(UP, 27),
        "sentry_user": lambda: "sntryu_" + s(HEX, 64),
        "dynatrace": lambda: "dt0c01." + s(B32, 24) + "." + s(B32, 64),
        "honeycomb": lambda: "hcaik_" + s(LOW, 58),
        "circleci": lambda: "CCIPAT_" + s(B62, 22) + "_" + s(HEX, 40),
        "buildkite": lambda: "bkua_" + s(HEX, 40),
        "sonarqube": lambda: "squ_" + s(HEX, 40),
        "sourcegraph": lambda: "sgp_" + s(HEX, 16) + "_" + s(HEX, 40),
        "postman": lambda: "PMAK-" + s(HEX, 24) + "-" + s(HEX, 34),
        "figma": lambda: "figd_" + s(URL, 40),
        "airtable": lambda: "pat" + s(B62, 14) + "." + s(HEX, 64),
        "asana": lambda: "1/1" + s("123456789", 15) + ":" + s(HEX, 32),
        "hubspot": lambda: "pat-na1-" + m.uuid(),
        "trello": lambda: "ATTA" + s(HEX, 64),
        "contentful": lambda: "CFPAT-" + s(URL, 43),
        "mailgun": lambda: "key-" + s(HEX, 32),
        "brevo": lambda: "xkeysib-" + s(HEX, 64) + "-" + s(B62, 16),
        "groq": lambda: "gsk_" + s(B62, 52),
        "perplexity": lambda: "pplx-" + s(B62, 48),
        "replicate": lambda: "r8_" + s(B62, 37),
        "xai": lambda: "xai-" + s(B62, 80),
        "openrouter": lambda: "sk-or-v1-" + s(HEX, 64),
        "deepseek": lambda: "sk-" + s(HEX, 32),
        "nvidia": lambda: "nvapi-" + s(URL, 64),
        "langsmith": lambda: "lsv2_pt_" + s(HEX, 32) + "_" + s(HEX, 10),
        "pinecone": lambda: "pcsk_" + s(B62, 6) + "_" + s(B62, 63),
        "supabase": lambda: "sbp_" + s(HEX, 40),
        "planetscale": lambda: "pscale_tkn_" + s(URL, 43),
        "pulumi": lambda: "pul-" + s(HEX, 40),
        "tailscale": lambda: "tskey-auth-" + s(B62, 12) + "CNTRL-" + s(B62, 32),
        "netlify": lambda: "nfp_" + s(B62, 36),
        "heroku": lambda: "HRKU-AA" + s(URL, 58),
        "alibaba": lambda: "LTAI5t" + s(B62, 18),
        "facebook": lambda: "EAA" + s(B62, 120, 180),
        "easypost": lambda: "EZAK" + s(B62, 54),
        "shippo": lambda: "shippo_live_" + s(HEX, 40),
        "duffel": lambda: "duffel_live_" + s(URL, 43),
        "razorpay": lambda: "rzp_live_" + s(B62, 14),
        "flutterwave": lambda: "FLWSECK-" + s(HEX, 32) + "-X",
        "typeform": lambda: "tfp_" + s(URL, 44) + "_" + s(URL, 14),
        "posthog": lambda: "phx_" + s(B62, 43),
        "artifactory": lambda: "AKCp8" + s(B62, 68),
        "fly": lambda: "fm2_" + s(B64, 120, 170),
        "onepassword": lambda: "ops_eyJ" + s(B64, 200, 230),
        "weighbridge": lambda: "wb-" + s(URL, 43),
        "jwt": m.jwt,
        "pem_rsa": lambda: m.pem("RSA PRIVATE KEY"),
        "pem": lambda: m.pem("PRIVATE KEY"),
        "pem_openssh": lambda: m.pem("OPENSSH PRIVATE KEY"),
        "postgres_url": lambda: f"postgresql://app:{s(URL, 12, 24)}@db-{s(LOW, 4)}.internal:5432/app",
        "mongo_url": lambda: f"mongodb+srv://svc:{s(B62, 16)}@cluster0.{s(LOW, 5)}.mongodb.net/x?retryWrites=true",
        "redis_url": lambda: f"redis://:{s(B62, 20)}@cache:6379/0",
        "bearer": lambda: "Authorization: Bearer " + s(URL, 40),
        "basic": lambda: "Authorization: Basic " + base64.b64encode(f"svc:{s(B62, 14)}".encode()).decode(),
    }


#: What the secret is of a token that stands in something longer, to see whether it is gone.
def core(name, token):
    if name == "azure_storage":
        return token.split("AccountKey=")[1].split(";")[0]
    if name == "azure_service_bus":
        return token.split("SharedAccessKey=")[1]
    if name.endswith("_url"):
        return token.split("://")[1].split("@")[0].split(":")[1]
    if name in ("bearer", "basic"):
        return token.split(" ")[2]
    if name == "telegram":
        return token.split(":")[1]
    if name == "terraform":
        return token.split(".atlasv1.")[1]
    if name == "azure_client_secret":
        return token[3:]
    return token


# Contexts in which a token stands, none of which says what it is; `{t}` is the token.
BARE = {
    "dev": [
        ("code", 'client = Client("{t}")\nclient.connect()\n'),
        ("env", "# local\nX_VALUE={t}\nDEBUG=1\n"),
        ("log", "2026-03-01T10:00:01Z INFO request sent with {t} status=200 ms=12\n"),
        ("chat", "Hi, I get a 401 when I send {t} to the service, what is wrong with it?"),
        ("json", '{{"a": 1, "b": "{t}", "c": [true]}}'),
    ],
    "held": [
        ("code", "let session = connect('{t}', {{ retries: 3 }});\n"),
        ("code", "curl -s -H 'X-Custom: {t}' https://service.internal/v1/items | jq .\n"),
        ("env", "export MAIN_VALUE='{t}'\nexport LANG=C.UTF-8\n"),
        ("env", "service:\n  endpoint: main\n  value: {t}\n  retries: 4\n"),
        ("log", "Mar 12 03:14:15 web-3 app[812]: upstream refused ({t}) after 3 tries\n"),
        ("log", 'level=warn msg="rotating" old={t} took=83ms\n'),
        ("chat", "Could you write a script for me? Mine is {t}; it has to run each night and mail me the result."),
        ("chat", "It used to work with this one:\n\n    {t}\n\nbut since Monday I only see errors."),
        ("json", '[{{"kind":"call","arguments":{{"x":"{t}"}}}}]'),
    ],
}

NAMES = {
    "dev": [("p", "password"), ("p", "db_password"), ("s", "api_key"), ("s", "client_secret"), ("s", "auth_token"), ("s", "SECRET_KEY")],
    "held": [
        ("p", "DB_PASS"), ("p", "smtp_password"), ("p", "adminPwd"), ("p", "PGPASSWORD"), ("p", "passphrase"), ("s", "SERVICE_TOKEN"),
        ("s", "apiKey"), ("s", "encryption_key"), ("s", "clientSecret"), ("s", "access_token"), ("s", "SIGNING_SECRET"), ("s", "x-api-key"),
        ("s", "webhookSecret"), ("s", "account_key"), ("s", "refreshToken"), ("s", "private_token"),
    ],
}
ASSIGNED = {
    "dev": [
        ("code", '{n} = "{v}"\n'), ("env", "{n}={v}\nPORT=80\n"), ("json", '{{"user": "svc", "{n}": "{v}"}}'),
        ("chat", "the {n} is {v}, does that help?"), ("env", "{n}: {v}\n"),
    ],
    "held": [
        ("code", "const {n} = '{v}';\n"), ("code", 'config.set("{n}", "{v}")\n'), ("code", '  {n}: "{v}",\n'), ("code", 'String {n} = "{v}";\n'),
        ("env", "export {n}={v}\n"), ("env", "{n}: '{v}'\n"), ("env", "[main]\n{n} = {v}\nuser = svc\n"), ("log", "started with {n}={v} pid=12\n"),
        ("log", 'msg="login" {n}="{v}" ok\n'), ("chat", "Here is my {n}: {v}. Why does it fail?"), ("chat", "I set {n} to {v} but the server says no."),
        ("json", '{{\\"{n}\\":\\"{v}\\"}}'), ("shell", "tool --{n} {v} --verbose\n"),
    ],
}
WORDS = "river stone winter garden falcon copper window summer orange bridge silver thunder pepper dragon".split()


def value(m, kind):
    r = m.r
    if kind == "s":
        return r.choice([lambda: m.s(HEX, 32), lambda: m.s(HEX, 40), lambda: m.s(HEX, 64), lambda: m.s(B62, 20, 48), lambda: m.s(URL, 24, 64),
                         lambda: m.s(B64, 42) + "=", m.uuid, lambda: m.s(LOW, 24, 40)])()
    word = lambda: r.choice(WORDS)
    return r.choice([
        lambda: m.s(B62, 10, 20), lambda: m.s(B62 + "!#%*+?_-", 12, 20),
        lambda: word().capitalize() + str(r.randint(10, 2030)) + r.choice("!#?*"),
        lambda: word() + r.choice("-_.") + word() + str(r.randint(1, 99)),
        lambda: word().capitalize() + word().capitalize() + str(r.randint(1, 999)),
        lambda: m.s(HEX, 16, 32), lambda: word() + str(r.randint(1, 9)) + r.choice("!$@") + m.s(B62, 4),
    ])()


def secrets(which):
    m = Maker(f"weighbridge secrets {which} 2026-11-27")
    rows = []
    for name, make in formats(m).items():
        for source, template in BARE[which] * (2 if which == "held" else 1):
            token = make()
            inside = token.replace("\n", "\\n") if source in ("json", "env", "log") else token
            rows.append({"kind": "vendor", "name": name, "source": source, "text": template.format(t=inside), "secret": core(name, token).replace("\n", "\\n") if inside != token else core(name, token)})
    for kind, name in NAMES[which]:
        for source, template in ASSIGNED[which] * 3:
            v = value(m, kind)
            rows.append({"kind": "assigned", "name": name, "source": source, "text": template.format(n=name, v=v), "secret": v, "by": "person" if kind == "p" else "machine"})
    return rows


def files(pattern, least=200):
    for path in sorted(glob.glob(pattern, recursive=True)):
        try:
            text = open(path, encoding="utf-8").read()
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) >= least:
            yield path, text


def benign(which):
    """Texts of files that are installed here anyway; `dev` and `held` share no package."""
    r = random.Random(f"weighbridge benign {which}")
    site = [p for p in sys.path if p.endswith("site-packages")] + [os.path.dirname(os.__file__)]
    crates = os.path.expanduser("~/.cargo/registry/src/*")
    mine = lambda path: (zlib.crc32(package(path).encode()) % 2 == 0) == (which == "dev")
    rows = []

    def take(kind, pattern, most, size=4000):
        found = [(p, t) for p, t in files(pattern) if mine(p)]
        r.shuffle(found)
        for path, text in found[:most]:
            at = r.randint(0, max(0, len(text) - size))
            rows.append({"kind": kind, "name": package(path) + "/" + os.path.basename(path), "text": text[at:at + size]})

    def package(path):
        for root in site:
            if path.startswith(root):
                return path[len(root):].strip("/").split("/")[0].split("-")[0]
        found = re.search(r"registry/src/[^/]+/([^/]+)/", path)
        return found.group(1).rsplit("-", 1)[0] if found else path

    for root in site:
        take("python", root + "/**/*.py", 500)
        take("readme", root + "/**/METADATA", 80)
        take("javascript", root + "/**/*.js", 60)
        take("html", root + "/**/*.html", 40)
    take("rust", crates + "/*/src/**/*.rs", 400)
    take("readme", crates + "/*/*.md", 300)
    take("lock", crates + "/*/Cargo.lock", 60)
    take("config", crates + "/*/Cargo.toml", 100)
    take("config", crates + "/*/.github/**/*.yml", 60)
    take("json", crates + "/**/*.json", 80)
    m = Maker(f"noise {which}")
    for n in range(40):
        rows.append({"kind": "uuids", "name": str(n), "text": "\n".join(f"row {i}: {m.uuid()}" for i in range(60))})
        rows.append({"kind": "git log", "name": str(n), "text": "\n".join(f"{m.s(HEX, 40)} fix number {i}" for i in range(60))})
        rows.append({"kind": "image", "name": str(n), "text": f'<img src="data:image/png;base64,iVBORw0KGgo{m.s(B64, 3000)}==">'})
        rows.append({"kind": "lock", "name": str(n), "text": "\n".join(f'"node_modules/p{i}": {{"version": "1.{i}.0", "integrity": "sha512-{m.s(B64, 86)}=="}},' for i in range(30))})
    return rows


def main():
    which, where = sys.argv[1:3]
    os.makedirs(where, exist_ok=True)
    for name, rows in (("secrets", secrets(which)), ("benign", benign(which))):
        data = "".join(json.dumps(row) + "\n" for row in rows)
        open(f"{where}/{name}.jsonl", "w").write(data)
        print(hashlib.sha256(data.encode()).hexdigest(), f"{which}/{name}.jsonl", len(rows), "texts")


main()
