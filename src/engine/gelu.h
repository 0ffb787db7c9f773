// gelu(x) = x P(x), P the normal distribution function. Beyond a limit P is what it is there, 0 or 1 to speak of.
// Coefficients are those of the least greatest error of gelu (coarse: of P), the highest power's first.
#pragma once

namespace moebert::engine {

// P(x) = 1/2 + x N(x^2) / D(x^2): gelu is within 1e-6 of the value in float32, of which the quotient is 2e-8.
constexpr float kGeluLimit = 5.4F;
constexpr float kGeluNumerator[] = {2.27769858e-8F, 6.49040141e-6F, 1.76266082e-4F,
                                    4.72239875e-3F, 0.0344920532F,  0.398942054F};
constexpr float kGeluDenominator[] = {1.20866477e-6F, 7.65103127e-5F, 1.92549047e-3F,
                                      0.0290278873F,  0.253123039F,   1.0F};

// P(x) = 1/2 + x Q(x^2), fast and exact enough for results that are rounded to bfloat16 or bytes: gelu is within 5e-5
// and 4e-5 of the value.
constexpr float kCoarseGeluLimit = 4.0F;
constexpr float kCoarseGelu[] = {-1.3012983956365488e-9F, 1.0419628982181298e-7F,  -3.6571390704076496e-6F,
                                 7.485512763300126e-5F,   -1.0064909916397019e-3F, 9.505400590699226e-3F,
                                 -6.588784717521655e-2F,  3.9867339665636803e-1F};

}  // namespace moebert::engine
