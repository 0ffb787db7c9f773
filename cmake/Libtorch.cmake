# libtorch as one target, moebert_libtorch: the distribution's package, without the flags its own config adds to everything,
# or with TORCH_DIR_ROOT the folder `torch` of PyPI's package, which can use GPUs.
find_library(TORCH_CPU_LIBRARY torch_cpu HINTS ${TORCH_DIR_ROOT}/lib REQUIRED)
find_library(C10_LIBRARY c10 HINTS ${TORCH_DIR_ROOT}/lib REQUIRED)
add_library(moebert_libtorch INTERFACE)
target_link_libraries(moebert_libtorch INTERFACE ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})
target_link_libraries(moebert_libtorch INTERFACE OpenMP::OpenMP_CXX Threads::Threads)
# Its headers show what the library was built with only where this is set.
target_compile_definitions(moebert_libtorch INTERFACE USE_DISTRIBUTED)

if(TORCH_DIR_ROOT)
  # Beside its own headers the package has other versions of fmt's and oneDNN's: only its own are shown.
  set(TORCH_INCLUDE_DIR ${CMAKE_BINARY_DIR}/libtorch_include)
  file(MAKE_DIRECTORY ${TORCH_INCLUDE_DIR})
  foreach(folder ATen c10 caffe2 torch)
    file(CREATE_LINK ${TORCH_DIR_ROOT}/include/${folder} ${TORCH_INCLUDE_DIR}/${folder} SYMBOLIC)
  endforeach()
  target_link_options(moebert_libtorch INTERFACE LINKER:--allow-shlib-undefined LINKER:-rpath,${TORCH_DIR_ROOT}/lib)
else()
  find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/torch.h REQUIRED)
endif()
target_include_directories(moebert_libtorch SYSTEM INTERFACE
                           ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)

if(MOEBERT_CUDA)
  # The packages that pip installs beside torch have what is needed of CUDA.
  set(NVIDIA ${TORCH_DIR_ROOT}/../nvidia)
  find_library(TORCH_CUDA_LIBRARY torch_cuda HINTS ${TORCH_DIR_ROOT}/lib REQUIRED)
  find_library(C10_CUDA_LIBRARY c10_cuda HINTS ${TORCH_DIR_ROOT}/lib REQUIRED)
  find_path(CUDA_INCLUDE_DIR cuda_runtime_api.h HINTS ${NVIDIA}/cu13/include ${NVIDIA}/cuda_runtime/include REQUIRED)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${NVIDIA}/nccl/include REQUIRED)
  target_include_directories(moebert_libtorch SYSTEM INTERFACE ${CUDA_INCLUDE_DIR} ${NCCL_INCLUDE_DIR})
  target_compile_definitions(moebert_libtorch INTERFACE MOEBERT_CUDA USE_C10D_NCCL)
  # Nothing refers to it by name; libtorch finds it where it is loaded.
  target_link_libraries(moebert_libtorch INTERFACE -Wl,--no-as-needed ${TORCH_CUDA_LIBRARY} ${C10_CUDA_LIBRARY}
                                                   -Wl,--as-needed)
else()
  target_compile_definitions(moebert_libtorch INTERFACE USE_C10D_GLOO)
endif()

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
