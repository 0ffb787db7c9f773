# Compiler settings, ccache and a fast linker where they are installed.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
if(NOT MOEBERT_SANITIZE)
  set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
endif()

find_program(MOEBERT_CCACHE ccache)
if(MOEBERT_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MOEBERT_CCACHE})
  # A precompiled header is only cached when its time stamps are ignored.
  set(ENV{CCACHE_SLOPPINESS} pch_defines,time_macros)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${MOEBERT_CCACHE})
endif()
find_program(MOEBERT_MOLD mold)
if(MOEBERT_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(moebert_flags INTERFACE)
target_compile_options(moebert_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor $<$<BOOL:${MOEBERT_WERROR}>:-Werror>)
# Of files that are compiled together: names that one of them has for itself are seen by the next.
target_compile_options(moebert_flags INTERFACE $<$<BOOL:${CMAKE_UNITY_BUILD}>:-Wno-shadow -Wno-subobject-linkage>)
target_include_directories(moebert_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
# Programs read files that nobody vouches for: a mistake in a parser must not become a way in.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
target_compile_options(moebert_flags INTERFACE -fstack-protector-strong)
target_link_options(moebert_flags INTERFACE LINKER:-z,relro,-z,now)
if(NOT MOEBERT_SANITIZE)
  # The sanitizers check more, and _FORTIFY_SOURCE needs optimisation.
  target_compile_options(moebert_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
endif()
if(MOEBERT_SANITIZE)
  target_compile_options(moebert_flags INTERFACE -fsanitize=${MOEBERT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(moebert_flags INTERFACE -fsanitize=${MOEBERT_SANITIZE})
endif()
