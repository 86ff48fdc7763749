// GET / and /ui/*: the chat page.
#include "server/routes.h"
#include "server/web_page.h"

namespace sambay::server {

HttpResponse route_page(Call& call) {
  const WebFile* file = call.service.options().web_page ? find_web_file(call.request.path) : nullptr;
  if (!file)
    return to_response(
        {.status = 404, .message = "there is no such file of a web page here", .code = "not_found"});
  HttpResponse response;
  response.content_type = content_type_of(file->path);
  response.body = file->bytes;
  // Nothing from elsewhere, nothing inline.
  response.headers = {{"Content-Security-Policy",
                       "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
                       "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
                       "frame-ancestors 'none'"},
                      {"Cross-Origin-Opener-Policy", "same-origin"},
                      {"Cross-Origin-Resource-Policy", "same-origin"},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cache-Control", "no-cache"}};
  return response;
}

}  // namespace sambay::server
