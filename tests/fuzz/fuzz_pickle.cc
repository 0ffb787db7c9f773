// Pickles, with and without classes let through.
#include "io/pickle.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace moebert;
    for (const pickle::Globals& globals : {pickle::Globals{}, {"torch FloatStorage"}})
        fuzz::allow_errors([&] { pickle::parse(fuzz::bytes_of(data, size), "input", globals); });
    return 0;
}
