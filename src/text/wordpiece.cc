#include "text/wordpiece.h"

namespace moebert {
WordPiece::WordPiece(const std::vector<std::string>& vocabulary, std::string_view continuing_prefix,
                     std::int32_t unk_id, std::size_t max_characters)
    : trie_(entries_of(vocabulary)),
      continuing_(trie_.walk(Trie::root, continuing_prefix)),
      unk_id_(unk_id),
      max_characters_(max_characters) {}

void WordPiece::split(std::string_view word, std::size_t characters, std::vector<std::int32_t>& ids,
                      std::vector<std::uint32_t>* ends) const {
    const std::size_t first_id = ids.size();
    const std::size_t first_end = ends ? ends->size() : 0;
    std::uint32_t node = Trie::root;
    std::size_t at = 0;
    bool found = characters <= max_characters_;
    while (found && at < word.size()) {
        const Trie::Match piece = node == Trie::no_node ? Trie::Match{} : trie_.longest(node, word.substr(at));
        found = piece.value != Trie::no_value;
        at += piece.length;
        node = continuing_;
        ids.push_back(piece.value);
        if (ends) ends->push_back(static_cast<std::uint32_t>(at));
    }
    if (found) return;
    ids.resize(first_id);
    ids.push_back(unk_id_);
    if (!ends) return;
    ends->resize(first_end);
    ends->push_back(static_cast<std::uint32_t>(word.size()));
}

}  // namespace moebert
