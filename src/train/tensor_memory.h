// Memory of tensors on CPUs.
#pragma once

namespace moebert {

// From now on, freed memory of tensors is kept for the next ones of about their size. Batches without padding have ever
// new sizes, and every step frees what it took: the system would clear those pages anew each time, and malloc searches
// its lists of free pieces for longer and longer.
void keep_tensor_memory();

}  // namespace moebert
