// Matrix products by oneDNN: which instructions they use, and on how many threads.
#pragma once

#include <string>

#include "engine/operand.h"

namespace moebert::engine {

// The calling thread's matrix products use no other thread, until this object goes.
class OneThread {
public:
    OneThread();
    ~OneThread();
    OneThread(const OneThread&) = delete;
    OneThread& operator=(const OneThread&) = delete;

private:
    int before_;
};

// The fastest instructions that products use from now on: "avx512_bf16", "avx512", "avx2", "sse4" or "plain" (which the
// library calls sse4.1). Before the first product; an Error afterwards.
void limit_products(const std::string& name);
// What products run on: oneDNN's version and instruction set, and whether tiles do them.
std::string product_target();

}  // namespace moebert::engine
