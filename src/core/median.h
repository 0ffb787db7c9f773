#pragma once

#include <algorithm>
#include <vector>

namespace moebert {

// Of one value or more; the mean of the middle two where there is no middle one.
inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const auto n = values.size();
    return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

}  // namespace moebert
