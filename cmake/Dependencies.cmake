# Every library comes from the distribution; scripts/setup installs them.
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)

function(moebert_find_plain name header)
  find_path(${name}_INCLUDE_DIR ${header} REQUIRED)
  find_library(${name}_LIBRARY ${name} REQUIRED)
  add_library(${name} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${${name}_LIBRARY}
                                           INTERFACE_INCLUDE_DIRECTORIES ${${name}_INCLUDE_DIR})
endfunction()
moebert_find_plain(utf8proc utf8proc.h)
moebert_find_plain(xxhash xxhash.h)
# The package's own CMake config refers to tools of another package.
moebert_find_plain(zip zip.h)
moebert_find_plain(hwy hwy/highway.h)
moebert_find_plain(dnnl dnnl.h)
# Headers alone; the package's own CMake config would link a library that is not needed.
find_path(TOMLPLUSPLUS_INCLUDE_DIR toml++/toml.h REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

if(MOEBERT_TRAIN)
  include(Libtorch)
endif()
