"""A second held-out set: the example numbers of Google's libphonenumber (package `phonenumbers`, Apache-2.0) as that
library writes them: international and E.164 of all regions, without words; national of nine regions, with a word.

    python phones.py DIR        writes DIR/phones-values.jsonl (and empty -ids, -clean) and prints its SHA-256
"""

import hashlib
import json
import pathlib
import sys

import phonenumbers as library

NATIONAL = ["US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "AU"]
BARE = ["{}", "{} please", "he gave me {}, I think", '{{"to": "{}"}}']
TOLD = ["phone: {}", "you can call me at {}.", "My mobile is {}"]


def main():
    where = pathlib.Path(sys.argv[1])
    rows = []

    def say(sentence, value):
        text = sentence.format(value)
        at = len(text[: text.index(value)].encode())
        rows.append({"id": len(rows), "text": text, "labels": [[at, at + len(value.encode()), "phone"]]})

    kinds = [library.PhoneNumberType.FIXED_LINE, library.PhoneNumberType.MOBILE]
    for region in sorted(library.SUPPORTED_REGIONS):
        for kind in kinds:
            number = library.example_number_for_type(region, kind)
            if number is None:
                continue
            for at, style in enumerate([library.PhoneNumberFormat.INTERNATIONAL, library.PhoneNumberFormat.E164]):
                say(BARE[(len(rows) + at) % len(BARE)], library.format_number(number, style))
            if region in NATIONAL:
                for sentence in TOLD:
                    say(sentence, library.format_number(number, library.PhoneNumberFormat.NATIONAL))
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    (where / "phones-values.jsonl").write_bytes(data)
    for name in ("ids", "clean"):
        (where / f"phones-{name}.jsonl").write_bytes(b'{"id": 0, "text": "nothing", "labels": []}\n')
    print(f"{hashlib.sha256(data).hexdigest()}  phones-values.jsonl")


if __name__ == "__main__":
    main()
