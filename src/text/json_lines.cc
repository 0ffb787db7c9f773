#include "text/json_lines.h"

#include <chrono>
#include <istream>
#include <ostream>
#include <string>

#include "core/error.h"
#include "core/json_append.h"

namespace moebert {
namespace {

void append_string(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20) {
            out += fmt::format("\\u{:04x}", c);
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

void append_encoding(std::string& out, const Encoding& encoding, const Tokenizer& tokenizer, bool with_types) {
    const auto number = [&](auto value) { append_number(out, static_cast<std::uint32_t>(value)); };
    out += '{';
    append_list(out, "input_ids", encoding.input_ids, number);
    out += ", ";
    if (with_types) {
        append_list(out, "token_type_ids", encoding.token_type_ids, number);
        out += ", ";
    }
    append_list(out, "tokens", encoding.input_ids, [&](std::int32_t id) { append_string(out, tokenizer.token(id)); });
    out += ", ";
    append_list(out, "offsets", encoding.offsets, [&](const auto& offset) { append_offset(out, offset); });
    out += "}\n";
}

Encoding encode_line(std::string_view line, const Tokenizer& tokenizer, const TokenizeOptions& options) {
    const std::size_t tab = options.pairs ? line.find('\t') : std::string_view::npos;
    if (tab == std::string_view::npos) return tokenizer.encode(line, std::nullopt, options.max_length, true);
    return tokenizer.encode(line.substr(0, tab), line.substr(tab + 1), options.max_length, true);
}

void write(std::ostream& out, std::string& buffer) {
    out.write(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    if (!out) fail("the tokens can't be written");
    buffer.clear();
}

}  // namespace

TokenizeStatistics tokenize_lines(std::istream& in, std::ostream& out, const Tokenizer& tokenizer,
                                  const TokenizeOptions& options) {
    using Clock = std::chrono::steady_clock;
    constexpr std::size_t block_size = 1 << 16;
    TokenizeStatistics statistics;
    std::string buffer;
    for (std::string line; std::getline(in, line); ++statistics.lines) {
        const auto start = Clock::now();
        const Encoding encoding = encode_line(line, tokenizer, options);
        statistics.seconds += std::chrono::duration<double>(Clock::now() - start).count();
        statistics.tokens += encoding.input_ids.size();
        append_encoding(buffer, encoding, tokenizer, options.pairs);
        if (buffer.size() >= block_size) write(out, buffer);
    }
    write(out, buffer);
    out.flush();
    if (!out) fail("the tokens can't be written");
    return statistics;
}

}  // namespace moebert
