// gelu(x) = x P(x), P the normal distribution function, in a form that is fast and exact enough for results that are
// rounded to bfloat16 or bytes: the result is within 5e-5 and 4e-5 of the value.
#pragma once

namespace moebert::engine {

// P is taken for 0 or 1 beyond it.
constexpr float kCoarseGeluLimit = 4.0F;
// P(x) = 1/2 + x Q(x^2) with the least greatest error; Q's coefficients, the highest power's first.
constexpr float kCoarseGelu[] = {-1.3012983956365488e-9F, 1.0419628982181298e-7F,  -3.6571390704076496e-6F,
                                 7.485512763300126e-5F,   -1.0064909916397019e-3F, 9.505400590699226e-3F,
                                 -6.588784717521655e-2F,  3.9867339665636803e-1F};

}  // namespace moebert::engine
