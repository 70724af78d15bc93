"""Recall and precision per entity, and clean texts touched: this gateway's guard next to presidio-analyzer's pattern
recognisers, scrubadub and datafog, on the data of generate.py.

    python evaluate.py DIR PART HITS [others]

HITS is the program that reads texts and prints hits (see README.md); PART is `tuning` or `heldout`.
"""

import json
import pathlib
import subprocess
import sys
import time

# Names of other libraries for what is measured here.
PRESIDIO = {
    "EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone", "CREDIT_CARD": "credit_card", "IBAN_CODE": "iban", "US_SSN": "us_ssn", "IP_ADDRESS": "ip",
    "US_ITIN": "us_itin", "UK_NHS": "uk_nhs", "UK_NINO": "uk_nino", "ES_NIF": "es_nif", "ES_NIE": "es_nie", "IT_FISCAL_CODE": "it_codice_fiscale",
    "PL_PESEL": "pl_pesel", "AU_ABN": "au_abn", "AU_TFN": "au_tfn", "IN_AADHAAR": "in_aadhaar", "US_NPI": "us_npi", "ABA_ROUTING_NUMBER": "us_routing",
    "FI_PERSONAL_IDENTITY_CODE": "fi_hetu",
}
SCRUBADUB = {"email": "email", "phone": "phone", "credit_card": "credit_card", "social_security_number": "us_ssn", "national_insurance_number": "uk_nino"}
DATAFOG = {"EMAIL": "email", "PHONE": "phone", "CREDIT_CARD": "credit_card", "SSN": "us_ssn", "IP_ADDRESS": "ip"}
COMMON = ["email", "phone", "credit_card", "us_ssn", "iban", "ip"]
OPT_IN = ["person", "address", "date_of_birth"]


def ours(program, settings):
    def run(rows):
        lines = "".join(json.dumps({"text": row["text"]}) + "\n" for row in rows)
        done = subprocess.run([program, settings], input=lines, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def in_bytes(text, hits):
    place = lambda at: len(text[:at].encode())
    return [[place(start), place(end), entity] for start, end, entity in hits]


def presidio():
    import spacy
    import tldextract

    # Its list of top level domains, not one from the network.
    tldextract.extract = tldextract.tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class Blank(NlpEngine):
        """Words without a model: context works, names are not found."""

        def __init__(self):
            self.nlp = spacy.blank("en")

        def load(self): ...
        def is_loaded(self): return True
        def get_supported_entities(self): return []
        def get_supported_languages(self): return ["en"]
        def is_stopword(self, word, language): return False
        def is_punct(self, word, language): return False
        def process_batch(self, texts, language, **_):
            return ((text, self.process_text(text, language)) for text in texts)

        def process_text(self, text, language):
            doc = self.nlp(text)
            return NlpArtifacts([], doc, [token.idx for token in doc], [token.text.lower() for token in doc], self, language)

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=Blank())
    # Those of other countries are built in, but off.
    have = {type(one).__name__ for one in registry.recognizers}
    for name in dir(predefined_recognizers):
        if name.endswith("Recognizer") and name not in have:
            kind = getattr(predefined_recognizers, name)
            try:
                one = kind(supported_language="en")
            except Exception:
                continue
            if hasattr(one, "patterns"):
                registry.add_recognizer(one)
    registry.recognizers = [one for one in registry.recognizers if "Spacy" not in type(one).__name__]
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])

    def run(rows):
        for row in rows:
            found = engine.analyze(row["text"], language="en", score_threshold=0.4)
            yield in_bytes(row["text"], [(hit.start, hit.end, PRESIDIO.get(hit.entity_type, hit.entity_type)) for hit in found])

    return run


def scrubadub():
    import scrubadub as library

    scrubbers = [library.Scrubber(locale=locale) for locale in ("en_US", "en_GB")]

    def run(rows):
        for row in rows:
            hits = {(filth.beg, filth.end, SCRUBADUB.get(filth.type, filth.type)) for one in scrubbers for filth in one.iter_filth(row["text"])}
            yield in_bytes(row["text"], hits)

    return run


def datafog():
    from datafog.processing.text_processing.regex_annotator.regex_annotator import RegexAnnotator

    annotator = RegexAnnotator()

    def run(rows):
        for row in rows:
            _, result = annotator.annotate_with_spans(row["text"])
            yield in_bytes(row["text"], [(span.start, span.end, DATAFOG.get(span.label, span.label)) for span in result.spans])

    return run


def meets(hit, label, whole=True):
    """The hit takes at least nine of ten bytes of the value, and at most two more."""
    inside = min(hit[1], label[1]) - max(hit[0], label[0])
    return inside > 0 and (not whole or inside >= 0.9 * (label[1] - label[0]))


def measure(rows, found, show):
    labels, hits = {}, {}
    for row, told in zip(rows, found):
        for label in row["labels"]:
            count = labels.setdefault(label[2], [0, 0, 0])
            right = [hit for hit in told if meets(hit, label)]
            count[0] += 1
            count[1] += any(hit[2] == label[2] for hit in right)
            count[2] += bool(right)
            if show and not any(hit[2] == label[2] for hit in right):
                raw = row["text"].encode()
                print("missed", label[2], raw[label[0] : label[1]], "in", raw[max(0, label[0] - 40) : label[1] + 10], told, file=sys.stderr)
        for hit in told:
            count = hits.setdefault(hit[2], [0, 0])
            count[0] += 1
            right = any(label[2] == hit[2] and meets(hit, label, False) for label in row["labels"])
            count[1] += right
            if show and not right:
                raw = row["text"].encode()
                print("wrong ", hit[2], raw[hit[0] : hit[1]], "in", raw[max(0, hit[0] - 40) : hit[1] + 10], file=sys.stderr)
    return labels, hits


def main():
    where, part, program = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    load = lambda name: [json.loads(line) for line in (where / f"{part}-{name}.jsonl").open()]
    values, ids, clean = load("values"), load("ids"), load("clean")
    named = sorted({label[2] for row in ids for label in row["labels"]})
    tools = {"weighbridge": ours(program, ""), "weighbridge, opt-in too": ours(program, "entities: [default, person, address, date_of_birth]")}
    if "others" in sys.argv:
        tools |= {"presidio": presidio(), "scrubadub": scrubadub(), "datafog": datafog()}
    show = "show" in sys.argv
    print(f"| {part} | entity | values | recall | hidden | precision |\n|---|---|---|---|---|---|")
    notes = []
    for tool, run in tools.items():
        begun = time.process_time()
        for rows, wanted in ((values, COMMON + OPT_IN), (ids, named)):
            labels, hits = measure(rows, list(run(rows)), show and tool == "weighbridge")
            for entity in wanted:
                count, right = labels.get(entity), hits.get(entity, [0, 0])
                if count and (right[0] or tool == "weighbridge"):
                    precision = f"{right[1] / right[0]:.3f}" if right[0] else "-"
                    print(f"| {tool} | {entity} | {count[0]} | {count[1] / count[0]:.3f} | {count[2] / count[0]:.3f} | {precision} |")
        told = list(run(clean))
        sys.stdout.flush()
        if show and tool == "weighbridge":
            measure(clean, told, True)
        touched = sum(bool(hits) for hits in told)
        by = {}
        for hits in told:
            for entity in {hit[2] for hit in hits}:
                by[entity] = by.get(entity, 0) + 1
        most = ", ".join(f"{name} {count}" for name, count in sorted(by.items(), key=lambda item: -item[1])[:8])
        plain = [any(hit[2] != "email" for hit in hits) for hits in told]
        notes.append(f"- {tool}: {touched} of {len(clean)} clean texts touched ({touched / len(clean):.2%}); but for e-mail addresses {sum(plain)} ({sum(plain) / len(clean):.2%}): {most}; {time.process_time() - begun:.0f} s of CPU in all, but what runs as a program of its own")
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
