#!/usr/bin/env python3
"""Writes src/text/unicode_exceptions.h: where the tokenizers package and utf8proc disagree about a character.

Usage: make_unicode_exceptions.py > src/text/unicode_exceptions.h
Needs the tokenizers package and the shared library of utf8proc. Every code point is asked of both.
"""

import ctypes
import string
import sys

import tokenizers
from tokenizers import normalizers, pre_tokenizers

utf8proc = ctypes.CDLL("libutf8proc.so.2")
utf8proc.utf8proc_category_string.restype = ctypes.c_char_p
utf8proc.utf8proc_version.restype = ctypes.c_char_p
utf8proc.utf8proc_unicode_version.restype = ctypes.c_char_p
utf8proc.utf8proc_get_property.restype = ctypes.POINTER(ctypes.c_int16)
DECOMPOSE = 1 << 4

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def bert(**on):
    flags = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**(flags | on)).normalize_str


def category(c):
    return utf8proc.utf8proc_category_string(c).decode()


def combining_class(c):
    return utf8proc.utf8proc_get_property(c)[1]


def decomposition(c):
    buffer = (ctypes.c_int32 * 32)()
    last_class = ctypes.c_int(0)
    length = utf8proc.utf8proc_decompose_char(c, buffer, 32, DECOMPOSE, ctypes.byref(last_class))
    return "".join(map(chr, buffer[:length]))


def is_starter(c, nfd=normalizers.NFD().normalize_str):
    """Whether the tokenizers package gives c the combining class 0: then no mark moves across it."""
    low, high = "\u0334", "\u0345"  # classes 1 and 240
    return nfd("a" + high + chr(c) + low) == "a" + high + chr(c) + low


def ranges(code_points, harmless):
    """[first, last] ranges over the code points and, where that joins two, over harmless ones between them."""
    found = []
    for c in sorted(code_points):
        if found and all(map(harmless, range(found[-1][1] + 1, c))):
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def print_table(comment, name, pairs):
    print(f"\n// {comment}\nconstexpr CodePointRange {name}[] = {{")
    cells = [f"{{0x{first:X}, 0x{last:X}}}" for first, last in pairs]
    for i in range(0, len(cells), 5):
        print("    " + ", ".join(cells[i : i + 5]) + ",")
    print("};")


def main():
    clean, strip, lower = bert(clean_text=True), bert(strip_accents=True), bert(lowercase=True)
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    categories = {c: category(c) for c in CODE_POINTS}

    def is_category(*wanted):
        return lambda c: categories.get(c, "Cs")[: len(wanted[0])] in wanted

    formats = [c for c in CODE_POINTS if categories[c] == "Cf" and clean(chr(c))]
    marks = [c for c in CODE_POINTS if categories[c] == "Mn" and strip(chr(c))]
    more_marks = [c for c in CODE_POINTS if categories[c] != "Mn" and not strip(chr(c))]
    punctuation = {c for c in CODE_POINTS if len(split("a" + chr(c) + "b")) == 3}
    ascii_symbols = set(map(ord, string.punctuation))
    own = {c for c in CODE_POINTS if categories[c][0] == "P" or c in ascii_symbols}
    starters = [c for c in CODE_POINTS if combining_class(c) and is_starter(c)]
    whole = [c for c in CODE_POINTS if decomposition(c) != chr(c) and normalizers.NFD().normalize_str(chr(c)) == chr(c)]
    lowered = [(c, lower(chr(c))) for c in CODE_POINTS if lower(chr(c)) != chr(utf8proc.utf8proc_tolower(c))]
    single = [(c, ord(text) - c) for c, text in lowered if len(text) == 1]
    special = [(c, text) for c, text in lowered if len(text) > 1]
    if special != [(0x130, "i\u0307")]:
        sys.exit(f"unicode.cc knows one character whose lower case is several, there are {special}")

    dropped = [c for c in CODE_POINTS if not clean(chr(c)) and categories[c] not in ("Cc", "Cf", "Co") and c != 0xFFFD]
    moved = [c for c in CODE_POINTS if not combining_class(c) and not is_starter(c) and decomposition(c) == chr(c)]
    if dropped or moved:
        sys.exit(f"unicode.cc has no table for dropped characters {dropped} and marks {moved}")

    print("// Made by tests/text/make_unicode_exceptions.py: where the tokenizers package and utf8proc disagree.")
    print(f"// tokenizers {tokenizers.__version__}, utf8proc {utf8proc.utf8proc_version().decode()}", end="")
    print(f" (Unicode {utf8proc.utf8proc_unicode_version().decode()}).")
    print("#pragma once\n\nnamespace moebert::unicode_exceptions {\n")
    print("struct CodePointRange {\n    char32_t first, last;\n};")
    print_table("Category Cf, but kept in the text.", "kept_formats", ranges(formats, lambda c: not is_category("Cf")(c)))
    print_table("Category Mn, but no accent.", "kept_marks", ranges(marks, lambda c: not is_category("Mn")(c)))
    print_table("Not category Mn, but an accent.", "more_marks", ranges(more_marks, lambda c: c in more_marks))
    print_table("Category P*, but part of a word.", "no_punctuation", ranges(own - punctuation, lambda c: c not in own))
    print_table("Not category P*, but punctuation.", "more_punctuation", ranges(punctuation - own, lambda c: c in punctuation - own))
    print_table("Combining class 0 instead of another.", "starters", ranges(starters, lambda c: combining_class(c) == 0))
    print_table("Not decomposed.", "whole", ranges(whole, lambda c: False))
    print("\nstruct LowerCase {\n    char32_t first, last;\n    int distance;  // to the lower case\n};\n")
    print("// Another lower case than utf8proc's. U+0130, the only one with two characters, is in unicode.cc.")
    print("constexpr LowerCase lower_case[] = {")
    runs = []
    for c, distance in single:
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == distance:
            runs[-1][1] = c
        else:
            runs.append([c, c, distance])
    for first, last, distance in runs:
        print(f"    {{0x{first:X}, 0x{last:X}, {distance}}},")
    print("};\n\n}  // namespace moebert::unicode_exceptions")


main()
