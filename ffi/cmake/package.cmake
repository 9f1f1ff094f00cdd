# Writes imleConfig.cmake and imleConfigVersion.cmake into `directory` and imle.pc into `pc_directory`. CMakeLists.txt
# includes this file; dist.sh runs it by itself (cmake -P). Variables: version; package, libdir and includedir, relative
# to the prefix; the names of the libraries: static_name and, if there is a shared one, shared_name, shared_location,
# shared_soname and, on Windows, import_name.
include(CMakePackageConfigHelpers)
# Before 1.0 a minor version may break programs.
write_basic_package_version_file(
    ${directory}/imleConfigVersion.cmake VERSION ${version} COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH to_prefix /prefix/${package} /prefix)
configure_file(${CMAKE_CURRENT_LIST_DIR}/imleConfig.cmake.in ${directory}/imleConfig.cmake @ONLY)
file(RELATIVE_PATH to_prefix /prefix/${libdir}/pkgconfig /prefix)
configure_file(${CMAKE_CURRENT_LIST_DIR}/imle.pc.in ${pc_directory}/imle.pc @ONLY)
