// The attributes of a kernel: numbers that are fixed when a program is built. Programs pass them by name; a
// kernel declares the names once, and reads the numbers by position without a search at run time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tenon {

// A declared name stands for one number. A name followed by [2] stands for two numbers. [] stands for any
// number of them, and only the last name may have it.
inline constexpr int kAnyWidth = -1;

constexpr std::string_view attr_name(std::string_view declared) {
  return declared.substr(0, declared.find('['));
}

constexpr int attr_width(std::string_view declared) {
  const size_t bracket = declared.find('[');
  if (bracket == std::string_view::npos) return 1;
  return declared[bracket + 1] == ']' ? kAnyWidth : declared[bracket + 1] - '0';
}

// The names of a kernel, in the order in which a call holds the numbers.
struct AttrList {
  const char* const* names = nullptr;
  int count = 0;
};

template <size_t N>
struct AttrNames {
  const char* names[N];

  // The position of the first number of an attribute. A name that is not declared does not compile.
  consteval int operator[](std::string_view name) const {
    int at = 0;
    for (const char* declared : names) {
      if (attr_name(declared) == name) return at;
      at += attr_width(declared);
    }
    throw "no attribute of this name is declared";
  }
  constexpr operator AttrList() const {
    return {names, static_cast<int>(N)};
  }  // NOLINT: a list is a view of this
};
template <class... T>
AttrNames(T...) -> AttrNames<sizeof...(T)>;

// An attribute as a program passes it.
struct NamedAttr {
  std::string name;
  std::vector<double> values;
};

// The numbers of `given` in the order that the kernel declares. Throws std::invalid_argument, with the name,
// for an attribute that is unknown, missing, given twice, or has too few or too many numbers.
std::vector<double> ordered_attrs(AttrList declared, const std::vector<NamedAttr>& given);

// Throws std::invalid_argument if a call with this many numbers cannot hold what is declared.
void require_attr_count(AttrList declared, size_t count);

bool same_attrs(AttrList a, AttrList b);

}  // namespace tenon
