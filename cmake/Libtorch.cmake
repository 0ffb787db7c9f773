# libtorch as one target, moebert_libtorch: the distribution's package, without the flags its own config adds to everything.
find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
          HINTS ${TORCH_DIR_ROOT}/include REQUIRED)
find_library(TORCH_CPU_LIBRARY torch_cpu HINTS ${TORCH_DIR_ROOT}/lib REQUIRED)
find_library(C10_LIBRARY c10 HINTS ${TORCH_DIR_ROOT}/lib REQUIRED)
add_library(moebert_libtorch INTERFACE)
target_include_directories(moebert_libtorch SYSTEM INTERFACE
                           ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
target_link_libraries(moebert_libtorch INTERFACE ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})
target_link_libraries(moebert_libtorch INTERFACE OpenMP::OpenMP_CXX Threads::Threads)
# Its headers show what the library was built with only where these are set.
target_compile_definitions(moebert_libtorch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)

# The small matrix products of attention; the same library that libtorch uses. Debian's alternatives choose one BLAS for
# the whole machine, and where OpenBLAS with pthreads is installed it wins over the one with OpenMP, with which training is
# 1.4 times as fast. The rpath makes our programs take the latter; a runpath would not reach libtorch's own libblas.so.3.
set(OPENBLAS_OPENMP_DIR /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp)
find_library(OPENBLAS_LIBRARY NAMES libopenblas.so.0 openblas HINTS ${OPENBLAS_OPENMP_DIR} REQUIRED)
find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas x86_64-linux-gnu REQUIRED)
target_include_directories(moebert_libtorch SYSTEM INTERFACE ${CBLAS_INCLUDE_DIR})
target_link_libraries(moebert_libtorch INTERFACE ${OPENBLAS_LIBRARY})
if(EXISTS ${OPENBLAS_OPENMP_DIR})
  target_link_options(moebert_libtorch INTERFACE LINKER:--disable-new-dtags LINKER:-rpath,${OPENBLAS_OPENMP_DIR})
endif()

# The large ones; libtorch has it for bfloat16.
target_link_libraries(moebert_libtorch INTERFACE dnnl)
