#include "text/jinja_canonical.h"

#include <gtest/gtest.h>

#include "support/random.h"

namespace sambay {
namespace {

// The right-hand sides follow Jinja's documentation, "Whitespace Control", with trim_blocks and
// lstrip_blocks.
TEST(CanonicalJinja, AppliesWhiteSpaceControl) {
  EXPECT_EQ(canonical_jinja("a {%- if x -%} b {%- endif -%} c"), "a{% if x %}b{% endif %}c");
  EXPECT_EQ(canonical_jinja("  {% if x %}\n  b\n  {% endif %}\nc"), "{% if x %}  b\n{% endif %}c");
  EXPECT_EQ(canonical_jinja("  {{ x }}\n"), "  {{ x }}");          // not for expressions
  EXPECT_EQ(canonical_jinja("a {% if x %} b"), "a {% if x %} b");  // not in the middle of a line
  EXPECT_EQ(canonical_jinja("  {%+ if x %}"), "  {% if x %}");
  EXPECT_EQ(canonical_jinja("a{# note #}b"), "ab");
  EXPECT_EQ(canonical_jinja("a\n\n"), "a\n");
}

TEST(CanonicalJinja, SpellsTagsInOneWay) {
  EXPECT_EQ(canonical_jinja("{{x}}"), "{{ x }}");
  EXPECT_EQ(canonical_jinja("{%  if\n a  ==  'b  c'%}"), "{% if a == 'b  c' %}");
  EXPECT_EQ(canonical_jinja("{{ \"a\" + \"it's\" }}"), "{{ 'a' + \"it's\" }}");
  EXPECT_EQ(canonical_jinja("{{ '}}' + '%}' }}"), "{{ '}}' + '%}' }}");
  EXPECT_EQ(canonical_jinja("{{ '\\'}}' }}"), "{{ '\\'}}' }}");
}

TEST(CanonicalJinja, CopiesWhatItDoesNotUnderstand) {
  EXPECT_EQ(canonical_jinja("{{ x"), "{{ x");
  EXPECT_EQ(canonical_jinja("{% 'abc %}"), "{% 'abc %}");
  EXPECT_EQ(canonical_jinja("{"), "{");
  EXPECT_EQ(canonical_jinja(""), "");
}

TEST(CanonicalJinja, TakesAnything) {
  test::Random random(1);
  constexpr std::string_view kAlphabet = "{}%#-+'\"\\ \nax";
  for (int round = 0; round < 20000; round++) {
    std::string text;
    for (int i = random.below(24); i > 0; i--) text += kAlphabet[static_cast<size_t>(random.below(14))];
    EXPECT_LE(canonical_jinja(text).size(), text.size() + 2 * 12) << text;  // at most two spaces a tag
  }
}

}  // namespace
}  // namespace sambay
