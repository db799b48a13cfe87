// The instruction sets that are compiled in, and which of them this machine can run.
#pragma once

#include <string>
#include <vector>

#include "api.h"

namespace gatewise {

// Names of all targets compiled in that processor and system offer, the fastest first.
std::vector<std::string> available_targets();

// The target by name, which must be one of available_targets().
const Target &target(const std::string &name);

}  // namespace gatewise
