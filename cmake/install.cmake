# What `cmake --install` installs: headers, libraries, the command with its page and completions, and how other builds find
# them (pkg-config and find_package). The tree may be moved afterwards: nothing in it names where it was.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS ${libraries} EXPORT sennitTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# The command, linked statically: it needs no library to be found.
if(TARGET sennit-cli)
  install(TARGETS sennit-cli DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
function(install_if_there file directory name)
  if(EXISTS ${PROJECT_SOURCE_DIR}/${file})
    install(FILES ${file} DESTINATION ${directory} RENAME ${name})
  endif()
endfunction()
install_if_there(cli/man/sennit.1 ${CMAKE_INSTALL_MANDIR}/man1 sennit.1)
install_if_there(cli/completions/sennit.bash ${CMAKE_INSTALL_DATADIR}/bash-completion/completions sennit)
install_if_there(cli/completions/_sennit ${CMAKE_INSTALL_DATADIR}/zsh/site-functions _sennit)
install_if_there(cli/completions/sennit.zsh ${CMAKE_INSTALL_DATADIR}/zsh/site-functions _sennit)
install_if_there(cli/completions/sennit.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d sennit.fish)

install(FILES gdb/sennit-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/sennit)

# pkg-config: the prefix is found from where the file itself is.
file(RELATIVE_PATH up /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" up "${up}")
configure_file(cmake/sennit.pc.in ${PROJECT_BINARY_DIR}/sennit.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sennit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# find_package.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/sennit)
install(EXPORT sennitTargets NAMESPACE sennit:: DESTINATION ${package})
configure_package_config_file(cmake/sennitConfig.cmake.in ${PROJECT_BINARY_DIR}/sennitConfig.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sennitConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sennitConfig.cmake ${PROJECT_BINARY_DIR}/sennitConfigVersion.cmake
        DESTINATION ${package})
