// The one include of libtorch, precompiled for the sources of this room; headers that other rooms include do not use
// it.
#pragma once

#include <torch/torch.h>
