// `sambay serve`, behind its command line.
#pragma once

#include "server/service.h"

namespace sambay::server {

/// Opens the model, listens, and serves until SIGTERM or SIGINT. Errors: those of Engine::open and of
/// listening; invalid_argument for a door that would be open to everybody.
Result<void> serve(ServeOptions options);

}  // namespace sambay::server
