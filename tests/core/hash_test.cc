#include "core/hash.h"

#include <gtest/gtest.h>

#include <vector>

namespace moebert {
namespace {

std::string digest_of(std::string_view text) { return digest(std::as_bytes(std::span(text))); }

TEST(Hash, GivesTheDigestsOfXxh3) {
    EXPECT_EQ(digest_of(""), "99aa06d3014798d86001c324468d497f");  // xxhsum -H2 < /dev/null
    EXPECT_EQ(digest_of("a").size(), 32u);
    EXPECT_NE(digest_of("a"), digest_of("b"));
}

TEST(Hash, DoesNotDependOnHowTheBytesAreCut) {
    const std::string text(5000, 'x');
    for (const std::size_t cut : {0u, 1u, 63u, 64u, 1024u, 5000u}) {
        Digest parts;
        parts.update(std::string_view(text).substr(0, cut));
        parts.update(std::string_view(text).substr(cut));
        EXPECT_EQ(parts.hex(), digest_of(text)) << "cut at " << cut;
    }
}

TEST(Hash, CanBeReadHalfWay) {
    Digest digest;
    digest.update("ab");
    EXPECT_EQ(digest.hex(), digest_of("ab"));
    digest.update("c");
    EXPECT_EQ(digest.hex(), digest_of("abc"));
}

}  // namespace
}  // namespace moebert
