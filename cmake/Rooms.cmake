# A room is one folder of src/, built as one static library named moebert_<room>.
function(moebert_room name)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/empty_${name}.cc "")
    set(sources ${CMAKE_BINARY_DIR}/empty_${name}.cc)
  endif()
  add_library(moebert_${name} STATIC ${sources})
  target_link_libraries(moebert_${name} PRIVATE $<BUILD_INTERFACE:moebert_flags>)
  target_link_libraries(moebert_${name} ${ARGN})
endfunction()

# A room that uses libtorch: its sources share one precompiled header, which halves their compile time.
function(moebert_torch_room name)
  moebert_room(${name} ${ARGN})
  target_link_libraries(moebert_${name} PRIVATE moebert_libtorch)
  target_precompile_headers(moebert_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/${name}/torch.h)
endfunction()
