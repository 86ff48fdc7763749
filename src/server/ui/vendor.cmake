# The files of the web page: ours beside this file, and the libraries it uses from Debian's packages (nothing fetched, nothing of them in
# the repository).
#
# sambay_ui_files(OUT FOLDER): sets OUT to a list of URL=FILE, all that the server has to serve; `/` is index.html, everything else lies
# under /ui/. FOLDER is where the licences are put together. Also a script that prints the list, for servers that are not built:
#   cmake -D UI_FOLDER=build/ui -P src/server/ui/vendor.cmake

set(SAMBAY_UI_SOURCE ${CMAKE_CURRENT_LIST_DIR})
# Name under /ui/vendor/, where Debian 12 puts the file, its package.
set(SAMBAY_UI_VENDOR
  "katex.min.js|javascript/katex/katex.min.js|libjs-katex"
  "katex.min.css|javascript/katex/katex.min.css|libjs-katex"
  "marked.min.js|javascript/marked/marked.min.js|libjs-marked"
  "purify.min.js|nodejs/dompurify/dist/purify.min.js|node-dompurify")

function(sambay_ui_files out folder)
  set(share /usr/share)
  if(DEFINED SAMBAY_SHARE)  # a tree with the same layout, where the packages are installed elsewhere
    set(share ${SAMBAY_SHARE})
  endif()
  set(files "/=${SAMBAY_UI_SOURCE}/index.html")
  set(depends "")
  if(NOT CMAKE_SCRIPT_MODE_FILE)
    set(depends CONFIGURE_DEPENDS)
  endif()
  file(GLOB own RELATIVE ${SAMBAY_UI_SOURCE} ${depends} ${SAMBAY_UI_SOURCE}/*.js ${SAMBAY_UI_SOURCE}/*.css ${SAMBAY_UI_SOURCE}/*.svg)
  foreach(name ${own})
    list(APPEND files "/ui/${name}=${SAMBAY_UI_SOURCE}/${name}")
  endforeach()

  set(missing "")
  set(licences "This page is built with the libraries below; each text is the one of its Debian package.\n")
  set(packages "")
  foreach(entry ${SAMBAY_UI_VENDOR})
    string(REPLACE "|" ";" entry "${entry}")
    list(GET entry 0 name)
    list(GET entry 1 path)
    list(GET entry 2 package)
    list(APPEND packages ${package})
    if(NOT EXISTS ${share}/${path})
      list(APPEND missing ${package})
    endif()
    file(REAL_PATH ${share}/${path} path)
    list(APPEND files "/ui/vendor/${name}=${path}")
  endforeach()
  # Every browser that knows `light-dark` reads woff2, the first format in KaTeX's style sheet.
  file(GLOB fonts ${share}/fonts/truetype/katex/*.woff2)
  if(NOT fonts)
    list(APPEND missing fonts-katex)
  endif()
  foreach(font ${fonts})
    get_filename_component(name ${font} NAME)
    list(APPEND files "/ui/vendor/fonts/${name}=${font}")
  endforeach()
  if(missing)
    list(REMOVE_DUPLICATES missing)
    list(JOIN missing " " missing)
    message(FATAL_ERROR "The web page needs Debian's packages ${missing} (apt-get install ${missing}; tools/packages.sh lists all)")
  endif()

  list(REMOVE_DUPLICATES packages)
  # fonts-katex is of libjs-katex's source; DOMPurify is taken under the Apache licence.
  foreach(text ${packages} "${share}/common-licenses/Apache-2.0")
    set(path ${text})
    if(NOT IS_ABSOLUTE ${text})
      set(path ${share}/doc/${text}/copyright)
    endif()
    if(EXISTS ${path})
      file(READ ${path} content)
      get_filename_component(name ${text} NAME)
      string(APPEND licences "\n======== ${name} ========\n\n${content}")
    endif()
  endforeach()
  file(WRITE ${folder}/licenses.txt.new "${licences}")
  file(COPY_FILE ${folder}/licenses.txt.new ${folder}/licenses.txt ONLY_IF_DIFFERENT)
  list(APPEND files "/ui/vendor/licenses.txt=${folder}/licenses.txt")
  set(${out} ${files} PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  sambay_ui_files(files ${UI_FOLDER})
  foreach(file ${files})
    execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${file}")
  endforeach()
endif()
