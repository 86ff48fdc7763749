// How far a conversion is, for every command that converts.
#pragma once

#include "cli/progress_line.h"
#include "convert/convert.h"

namespace sambay {

void show_conversion(ProgressLine& line, const ConvertProgress& progress);

}  // namespace sambay
