# ZephyrConfig.cmake: finds the modules that a sample names and gives them the functions
# that a module may call, as far as the package uses them.
enable_language(C)
add_library(app OBJECT)

function(zephyr_include_directories)
  include_directories(${ARGV})
  target_include_directories(app PRIVATE ${ARGV})
endfunction()

function(zephyr_library)
  set_property(GLOBAL PROPERTY zephyr_current module)
  add_library(module STATIC)
endfunction()

function(zephyr_library_sources)
  target_sources(module PRIVATE ${ARGV})
endfunction()

function(zephyr_library_compile_options)
  target_compile_options(module PRIVATE ${ARGV})
endfunction()

function(zephyr_library_compile_definitions)
  target_compile_definitions(module PRIVATE ${ARGV})
endfunction()

foreach(folder ${EXTRA_ZEPHYR_MODULES})
  file(STRINGS ${folder}/zephyr/module.yml line REGEX "^  cmake: ")
  string(REPLACE "  cmake: " "" cmake "${line}")
  add_subdirectory(${folder}/${cmake} module)
endforeach()

# The kernel, which here is nothing: the application and what its modules have built.
add_executable(zephyr_final $<TARGET_OBJECTS:app>)
set_target_properties(zephyr_final PROPERTIES OUTPUT_NAME app)
if(TARGET module)
  target_link_libraries(zephyr_final PRIVATE module)
endif()
target_link_libraries(zephyr_final PRIVATE m)
