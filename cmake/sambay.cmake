# Compile options that every target of this project shares, and one function per kind of target.
add_library(sambay_options INTERFACE)
target_include_directories(sambay_options INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_options(sambay_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow
  # Contracting a*b+c into an FMA behind our back would make results depend on the compiler:
  # kernels that want FMA say so.
  -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of g++ 12 in std::string concatenation (GCC bug 105651) and in tl::expected.
  target_compile_options(sambay_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(SAMBAY_WERROR)
  target_compile_options(sambay_options INTERFACE -Werror)
endif()
if(SAMBAY_SANITIZE)
  target_compile_options(sambay_options INTERFACE -fsanitize=${SAMBAY_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(sambay_options INTERFACE -fsanitize=${SAMBAY_SANITIZE})
endif()

# sambay_module(name DEPS targets...): the static library sambay::name from all *.cpp beside the calling
# CMakeLists.txt. DEPS are the arrows of docs/architecture.md; tools/check_includes.py checks the same table.
function(sambay_module name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(sources)
    add_library(sambay_${name} STATIC ${sources})
    target_link_libraries(sambay_${name} PUBLIC sambay_options ${ARG_DEPS})
  else()
    add_library(sambay_${name} INTERFACE)
    target_link_libraries(sambay_${name} INTERFACE sambay_options ${ARG_DEPS})
  endif()
  add_library(sambay::${name} ALIAS sambay_${name})
endfunction()

# sambay_tests(folder DEPS targets...): one test program, <folder>_tests, from tests/<folder>/*_test.cpp.
function(sambay_tests name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*_test.cpp)
  if(NOT sources)
    message(FATAL_ERROR "tests/${name} has no *_test.cpp")
  endif()
  add_executable(${name}_tests ${sources})
  target_link_libraries(${name}_tests PRIVATE sambay_options ${ARG_DEPS} sambay_test_support)
  # A third of the build is tests; what takes time when they run is in the libraries.
  target_compile_options(${name}_tests PRIVATE $<$<CONFIG:Release>:-O1>
    # ccache keeps what was compiled with precompiled headers only with the first; in those the false alarms mentioned above have
    # other names.
    $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess;-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread>)
  target_precompile_headers(${name}_tests REUSE_FROM sambay_test_headers)
  gtest_discover_tests(${name}_tests DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 300)
endfunction()
