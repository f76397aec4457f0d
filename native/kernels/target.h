// Included once per target by for_each_target.h (no include guard on purpose).
namespace tenon {
namespace TENON_TARGET {
namespace {
inline constexpr Target kTarget = Target::TENON_TARGET;
#include "kernels/vec.h"
#include TENON_KERNEL_FILE
}  // namespace
}  // namespace TENON_TARGET
}  // namespace tenon
