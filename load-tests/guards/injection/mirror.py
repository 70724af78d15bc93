"""The features of src/guard/injection/features.rs once more, to hold the two together: prints the sorted slots of texts.

For texts of one window whose normal form is plain lower case (ASCII, single spaces)."""
import sys

M = (1 << 64) - 1
BASE, SPREAD = 0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD
SALTS = [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89, 0x452821E638D01377, 0xBE5466CF34E90C6C]


def slots(text):
    text = " " + text.strip() + " "
    found = set()

    def add(value, kind):
        found.add(((value & M) ^ SALTS[kind]) >> 46)

    def rolled(piece):
        value = 0
        for c in piece:
            value = (value * BASE + (ord(c) + 1) * SPREAD) & M
        return value

    for token in text.split():
        padded = f" {token} "
        for n in (3, 4, 5):
            for at in range(len(padded) - n + 1):
                add(rolled(padded[at : at + n]), n - 3)
    words, word = [], ""
    for c in text:
        if c.isalnum() or c == "_":
            word += c
            continue
        if word:
            words.append(word)
        word = ""
        if c != " ":
            words.append(c)
    codes = []
    for w in words:
        value = rolled(w)
        codes.append((((value ^ (value >> 31)) * SPREAD) & M) | 1)
    for at, one in enumerate(codes):
        add(one, 3)
        if at >= 1:
            two = (codes[at - 1] * pow(BASE, 3, 1 << 64) + one) & M
            add(two, 4)
            if at >= 2:
                add(codes[at - 2] * pow(BASE, 5, 1 << 64) + two * BASE, 5)
    return sorted(found)


if __name__ == "__main__":
    for text in sys.argv[1:]:
        print(text, slots(text))
