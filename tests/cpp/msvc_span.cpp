// Includes imle.hpp as a program for MSVC in C++20 does: __cplusplus is 199711L there unless /Zc:__cplusplus is given,
// and standard headers define __cpp_lib_span without <span>. The folder msvc has such headers.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <type_traits>
#include <utility>
#include <version>

#undef __cplusplus
#define __cplusplus 199711L
#include "imle.hpp"

static_assert(std::is_same_v<imle::span<float>, std::span<float>>);
