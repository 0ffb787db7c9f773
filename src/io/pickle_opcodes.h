// The opcodes of Python's pickle machine, protocols 0 to 5, that stand for data.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py
#pragma once

#include <cstdint>
#include <string>

namespace moebert::pickle::op {

enum : std::uint8_t {
    mark = '(',
    stop = '.',
    pop = '0',
    pop_mark = '1',
    dup = '2',

    none = 'N',
    int_text = 'I',
    bin_int = 'J',
    bin_int1 = 'K',
    bin_int2 = 'M',
    long_text = 'L',
    long1 = 0x8a,
    long4 = 0x8b,
    new_true = 0x88,
    new_false = 0x89,
    float_text = 'F',
    bin_float = 'G',

    string_text = 'S',
    bin_string = 'T',
    short_bin_string = 'U',
    unicode_text = 'V',
    bin_unicode = 'X',
    short_bin_unicode = 0x8c,
    bin_unicode8 = 0x8d,

    empty_list = ']',
    list = 'l',
    append = 'a',
    appends = 'e',
    empty_tuple = ')',
    tuple = 't',
    tuple1 = 0x85,
    tuple2 = 0x86,
    tuple3 = 0x87,
    empty_dict = '}',
    dict = 'd',
    set_item = 's',
    set_items = 'u',

    get = 'g',
    bin_get = 'h',
    long_bin_get = 'j',
    put = 'p',
    bin_put = 'q',
    long_bin_put = 'r',
    memoize = 0x94,

    global = 'c',
    stack_global = 0x93,
    reduce = 'R',
    build = 'b',
    bin_pers_id = 'Q',

    proto = 0x80,
    frame = 0x95,
};

// "INST" for an opcode that is refused; its number when Python doesn't know it either.
std::string name(std::uint8_t opcode);

}  // namespace moebert::pickle::op
