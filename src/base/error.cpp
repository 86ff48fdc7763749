#include "sambay/error.h"

namespace sambay {

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return 2;
    case ErrorCode::not_found:
    case ErrorCode::corrupt:
    case ErrorCode::unsupported: return 3;
    case ErrorCode::out_of_memory: return 4;
    case ErrorCode::io: return 5;
    case ErrorCode::cancelled: return 130;
    case ErrorCode::busy:
    case ErrorCode::internal: return 1;
  }
  return 1;
}

}  // namespace sambay
