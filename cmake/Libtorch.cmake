# libtorch as one target, moebert_libtorch: the distribution's package, without the flags its own config adds to everything.
find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
          HINTS ${TORCH_DIR_ROOT}/include REQUIRED)
find_library(TORCH_CPU_LIBRARY torch_cpu HINTS ${TORCH_DIR_ROOT}/lib REQUIRED)
find_library(C10_LIBRARY c10 HINTS ${TORCH_DIR_ROOT}/lib REQUIRED)
add_library(moebert_libtorch INTERFACE)
target_include_directories(moebert_libtorch SYSTEM INTERFACE
                           ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
target_link_libraries(moebert_libtorch INTERFACE ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})
find_package(OpenMP REQUIRED COMPONENTS CXX)
target_link_libraries(moebert_libtorch INTERFACE OpenMP::OpenMP_CXX Threads::Threads)

# The small matrix products of attention; the same library that libtorch uses.
find_library(OPENBLAS_LIBRARY NAMES openblas libopenblas.so.0 REQUIRED)
find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas x86_64-linux-gnu REQUIRED)
target_include_directories(moebert_libtorch SYSTEM INTERFACE ${CBLAS_INCLUDE_DIR})
target_link_libraries(moebert_libtorch INTERFACE ${OPENBLAS_LIBRARY})
