// To be included before Highway, by every source in vector code.
#pragma once

// Arrays of vectors need a size that is known: ARM's scalable ones have none, so that its fixed ones are used.
#if defined(__aarch64__)
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif
