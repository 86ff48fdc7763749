#include "text/jinja_canonical.h"

#include <cstddef>

namespace sambay {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool is_blank(char c) { return kBlanks.find(c) != std::string_view::npos; }

/// The inside of a tag without the white space that means nothing. Strings keep theirs.
std::string canonical_inside(std::string_view inside) {
  std::string out;
  char quote = 0;
  bool blank = false;
  for (size_t i = 0; i < inside.size(); i++) {
    const char c = inside[i];
    if (quote == 0 && is_blank(c)) {
      blank = true;
      continue;
    }
    if (blank && !out.empty()) out += ' ';
    blank = false;
    if (quote == 0 && (c == '\'' || c == '"')) {
      // "x" is 'x' unless that would need escapes.
      const size_t end = inside.find(c, i + 1);
      const bool plain = c == '"' && end != std::string_view::npos &&
                         inside.substr(i + 1, end - i - 1).find_first_of("'\\") == std::string_view::npos;
      if (plain) {
        out += '\'';
        out += inside.substr(i + 1, end - i - 1);
        out += '\'';
        i = end;
        continue;
      }
      quote = c;
    } else if (c == '\\' && quote != 0 && i + 1 < inside.size()) {
      out += c;
      out += inside[++i];
      continue;
    } else if (c == quote) {
      quote = 0;
    }
    out += c;
  }
  return out;
}

void trim_right(std::string& out, size_t from) {
  while (out.size() > from && is_blank(out.back())) out.pop_back();
}

/// lstrip_blocks: blanks between the beginning of the line and a block go. `from`: where the text since the
/// last tag begins; a line that has a tag in it keeps its blanks.
void strip_line_start(std::string& out, size_t from, bool text_begins_line) {
  size_t start = out.size();
  while (start > from && (out[start - 1] == ' ' || out[start - 1] == '\t')) start--;
  const bool at_line_start = start > from ? out[start - 1] == '\n' : text_begins_line;
  if (at_line_start) out.resize(start);
}

/// Where the tag that begins at `start` ends (behind its "%}"), skipping strings; npos if it does not.
size_t tag_end(std::string_view text, size_t start, char kind) {
  const char close = kind == '{' ? '}' : kind;
  char quote = 0;
  for (size_t i = start + 2; i + 1 < text.size(); i++) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\') i++;
      if (c == quote) quote = 0;
    } else if (kind != '#' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == close && text[i + 1] == '}') {
      return i + 2;
    }
  }
  return std::string_view::npos;
}

}  // namespace

std::string canonical_jinja(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::string out;
  size_t text_start = 0;         // in `out`: of the text since the last tag
  bool text_begins_line = true;  // and whether it stands at the beginning of a line of the template
  for (size_t at = 0; at < text.size();) {
    const char kind = text[at] == '{' && at + 1 < text.size() ? text[at + 1] : '\0';
    const bool is_tag = kind == '{' || kind == '%' || kind == '#';
    const size_t end = is_tag ? tag_end(text, at, kind) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[at++];
      continue;
    }
    std::string_view inside = text.substr(at + 2, end - at - 4);
    const bool block = kind != '{';
    if (inside.starts_with('-')) {
      trim_right(out, text_start);
    } else if (block && !inside.starts_with('+')) {
      strip_line_start(out, text_start, text_begins_line);
    }
    const bool trim_after = inside.ends_with('-');
    if (trim_after) inside.remove_suffix(1);
    if (inside.starts_with('-') || (block && inside.starts_with('+'))) inside.remove_prefix(1);
    if (kind != '#') {
      out += kind == '{' ? "{{ " : "{% ";
      out += canonical_inside(inside);
      out += kind == '{' ? " }}" : " %}";
    }
    at = end;
    text_begins_line = false;
    if (trim_after) {
      while (at < text.size() && is_blank(text[at])) at++;
    } else if (block && at < text.size() && text[at] == '\n') {  // trim_blocks
      at++;
      text_begins_line = true;
    }
    text_start = out.size();
  }
  return out;
}

}  // namespace sambay
