# libmoebert: the inference library that others link to. It shows the names of include/moebert and no others, so that
# what it is made of is nobody's concern: its users need its headers and nothing else.
add_library(moebert_library SHARED src/api/model.cc src/api/stream.cc src/api/c.cc)
set_target_properties(moebert_library PROPERTIES OUTPUT_NAME moebert EXPORT_NAME moebert VERSION ${PROJECT_VERSION}
                                                 SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_compile_features(moebert_library PUBLIC cxx_std_17)
target_compile_definitions(moebert_library PRIVATE MOEBERT_VERSION="${PROJECT_VERSION}")
target_include_directories(moebert_library PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(moebert_library PRIVATE $<BUILD_INTERFACE:moebert_flags> $<BUILD_INTERFACE:moebert_engine>)
target_link_options(moebert_library PRIVATE LINKER:--exclude-libs,ALL)
add_library(moebert::moebert ALIAS moebert_library)

include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/moebert)
install(TARGETS moebert_library EXPORT moebertTargets)
install(DIRECTORY include/moebert DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT moebertTargets FILE moebertConfig.cmake NAMESPACE moebert:: DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/moebertConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/moebertConfigVersion.cmake DESTINATION ${package})
