#include "base/attributes.h"

#include <stdexcept>

namespace tenon {
namespace {

[[noreturn]] void fail(const std::string& message) { throw std::invalid_argument(message); }

std::string quoted(std::string_view name) { return "attribute '" + std::string(name) + "'"; }

std::string listed(AttrList declared) {
  std::string text;
  for (int i = 0; i < declared.count; ++i) text += (i == 0 ? "" : ", ") + std::string(declared.names[i]);
  return text.empty() ? "none" : text;
}

const NamedAttr& find(std::string_view name, const std::vector<NamedAttr>& given) {
  const NamedAttr* found = nullptr;
  for (const NamedAttr& attr : given) {
    if (attr.name != name) continue;
    if (found != nullptr) fail(quoted(name) + " is given twice");
    found = &attr;
  }
  if (found == nullptr) fail(quoted(name) + " is missing");
  return *found;
}

void refuse_unknown(AttrList declared, const std::vector<NamedAttr>& given) {
  for (const NamedAttr& attr : given) {
    bool known = false;
    for (int i = 0; i < declared.count; ++i) known = known || attr_name(declared.names[i]) == attr.name;
    if (!known) fail("unknown " + quoted(attr.name) + ", expected " + listed(declared));
  }
}

}  // namespace

std::vector<double> ordered_attrs(AttrList declared, const std::vector<NamedAttr>& given) {
  refuse_unknown(declared, given);
  std::vector<double> numbers;
  for (int i = 0; i < declared.count; ++i) {
    const std::string_view name = attr_name(declared.names[i]);
    const int width = attr_width(declared.names[i]);
    const NamedAttr& attr = find(name, given);
    if (width != kAnyWidth && attr.values.size() != static_cast<size_t>(width)) {
      fail(quoted(name) + " has " + std::to_string(attr.values.size()) + " numbers, expected " +
           std::to_string(width));
    }
    numbers.insert(numbers.end(), attr.values.begin(), attr.values.end());
  }
  return numbers;
}

void require_attr_count(AttrList declared, size_t count) {
  size_t fixed = 0;
  bool open = false;
  for (int i = 0; i < declared.count; ++i) {
    const int width = attr_width(declared.names[i]);
    open = open || width == kAnyWidth;
    fixed += width == kAnyWidth ? 0 : static_cast<size_t>(width);
  }
  if (open ? count < fixed : count != fixed) fail("wrong number of attributes, expected " + listed(declared));
}

bool same_attrs(AttrList a, AttrList b) {
  bool same = a.count == b.count;
  for (int i = 0; same && i < a.count; ++i) same = std::string_view(a.names[i]) == b.names[i];
  return same;
}

}  // namespace tenon
