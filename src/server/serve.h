// `sambay serve`, behind its command line.
#pragma once

#include <memory>
#include <string>

#include "server/service.h"

namespace sambay::server {

/// Opens the model, listens, and serves until SIGTERM or SIGINT. Errors: those of Engine::open and of
/// listening; invalid_argument for a door that would be open to everybody.
Result<void> serve(ServeOptions options);

/// The same on a thread of its own, for a program that asks it something: no signals, no log, any free port
/// of loopback.
class BackgroundServer {
 public:
  static Result<std::unique_ptr<BackgroundServer>> start(ServeOptions options);
  ~BackgroundServer();  ///< cuts off what runs
  int port() const;
  const std::string& model_name() const;
  const Engine& engine() const;

 private:
  struct Impl;
  explicit BackgroundServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sambay::server
