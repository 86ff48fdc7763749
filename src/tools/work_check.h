// Whether written work is right: every line true, following from the ones before it, and giving the answer.
#pragma once

#include <string>
#include <string_view>

namespace sambay {

/// What is wrong with `work`, "" when it is right. Right is what equals `expected`, which was verified when
/// the problem was made; or else work whose arithmetic is right line by line, whose other lines (with words)
/// are those of `expected` in the same order, and whose last line gives the answer. Shares nothing with the
/// code that makes problems. Knows: columns of sums, differences and products and long division under a
/// header (347+589), statements on one line (24*7=168, 3<8, 5-1=4<7, 17%5=2, several apart by commas), a
/// difference turned round (78-503=-(503-78)) and a result stated again (=425). Numbers that leave 63 bits
/// are wrong.
std::string work_fault(std::string_view work, std::string_view expected, std::string_view answer);

/// The arithmetic alone: what is wrong with the first line that is not right, "" when all are, or are no
/// arithmetic.
std::string arithmetic_fault(std::string_view work);

}  // namespace sambay
