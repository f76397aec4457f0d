// Attributes by name: what is refused, and in which order the numbers reach a kernel.
#include "base/attributes.h"

#include <fstream>
#include <map>

#include "kernels/kernel.h"
#include "test/check.h"

namespace tenon::test {
namespace {

constexpr AttrNames kNames{"stride[2]", "groups", "axes[]"};
static_assert(kNames["stride"] == 0 && kNames["groups"] == 2 && kNames["axes"] == 3);

std::string refusal(const std::vector<NamedAttr>& given) {
  try {
    ordered_attrs(kNames, given);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

void check_order() {
  const std::vector<double> expected = {1, 2, 3, 4, 5, 6};
  CHECK(ordered_attrs(kNames, {{"axes", {4, 5, 6}}, {"groups", {3}}, {"stride", {1, 2}}}) == expected);
  CHECK(ordered_attrs(kNames, {{"axes", {}}, {"groups", {3}}, {"stride", {1, 2}}}).size() == 3);
  CHECK(ordered_attrs({}, {}).empty());
}

void check_refusals() {
  const NamedAttr stride = {"stride", {1, 2}}, groups = {"groups", {3}}, axes = {"axes", {}};
  CHECK(refusal({stride, groups, axes}).empty());
  CHECK(refusal({stride, groups, axes, {"stride2", {1}}}) ==
        "unknown attribute 'stride2', expected stride[2], groups, axes[]");
  CHECK(refusal({stride, axes}) == "attribute 'groups' is missing");
  CHECK(refusal({stride, groups, axes, groups}) == "attribute 'groups' is given twice");
  CHECK(refusal({{"stride", {1}}, groups, axes}) == "attribute 'stride' has 1 numbers, expected 2");
  CHECK(refusal({{"stride", {1, 2, 3}}, groups, axes}) == "attribute 'stride' has 3 numbers, expected 2");
  CHECK(refusal({{"", {}}, stride, groups, axes}).starts_with("unknown attribute ''"));
  CHECK(refusal({{"stride[2]", {1, 2}}, groups, axes}).starts_with("unknown attribute 'stride[2]'"));
}

// Every kernel declares its names once, a list of any length last.
void check_registry() {
  const std::vector<const Kernel*> kernels = all_kernels();
  CHECK(kernels.size() > 80);
  for (const Kernel* kernel : kernels) {
    for (int i = 0; i < kernel->attrs.count; ++i) {
      const std::string_view declared = kernel->attrs.names[i];
      const int width = attr_width(declared);
      CHECK_THAT(!attr_name(declared).empty() && (width == kAnyWidth || (width >= 1 && width <= 9)),
                 kernel->name);
      CHECK_THAT(width != kAnyWidth || i == kernel->attrs.count - 1, kernel->name);
      for (int k = 0; k < i; ++k)
        CHECK_THAT(attr_name(kernel->attrs.names[k]) != attr_name(declared), kernel->name);
    }
  }
}

std::vector<std::string> split(const std::string& text, const std::string& by) {
  std::vector<std::string> parts;
  size_t from = 0;
  for (size_t at; (at = text.find(by, from)) != std::string::npos; from = at + by.size())
    parts.push_back(text.substr(from, at - from));
  parts.push_back(text.substr(from));
  return parts;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// What the tables of native/kernels/README.md say: the attributes of each kernel, as they are
// declared. A first cell may name several kernels, and the attributes of each are then parted by
// slashes where they differ.
std::map<std::string, std::string> documented() {
  const std::string here = __FILE__;
  std::ifstream file(here.substr(0, here.find_last_of('/')) + "/../kernels/README.md");
  CHECK_THAT(file.good(), "README.md beside the kernels");
  std::map<std::string, std::string> attributes;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("| `", 0) != 0) continue;
    const std::vector<std::string> cells = split(line, "|");
    std::vector<std::string> names;
    for (const std::string& group : split(cells[1], "`"))
      for (const std::string& name : split(group, " "))
        if (!name.empty() && name != "/") names.push_back(name);
    // The table of products in bf16 has no attributes: they are those of the kernels above.
    if (cells.size() == 4) {
      for (const std::string& name : names) attributes[name] = attributes[name.substr(0, name.find("_bf16"))];
      continue;
    }
    const std::vector<std::string> lists = split(trimmed(cells[3]), " / ");
    for (size_t i = 0; i < names.size(); ++i) attributes[names[i]] = lists[lists.size() == 1 ? 0 : i];
  }
  return attributes;
}

void check_documentation() {
  const std::map<std::string, std::string> attributes = documented();
  for (const Kernel* kernel : all_kernels()) {
    std::string declared;
    for (int i = 0; i < kernel->attrs.count; ++i)
      declared += (i == 0 ? "" : ", ") + std::string(kernel->attrs.names[i]);
    const auto found = attributes.find(kernel->name);
    if (CHECK_THAT(found != attributes.end(), kernel->name + " is missing in README.md"))
      CHECK_THAT(found->second == declared,
                 kernel->name + ": declared " + declared + ", README.md says " + found->second);
  }
  for (const auto& [name, list] : attributes)
    CHECK_THAT(find_kernel(name) != nullptr, name + " of README.md");
}

}  // namespace
}  // namespace tenon::test

int main() {
  using namespace tenon::test;
  check_order();
  check_refusals();
  check_registry();
  check_documentation();
  return report();
}
