// Aligned memory for one call, of which large pieces are kept for the next one.
//
// Memory fresh from the system is mapped page by page as it is first touched, which costs time in
// every call that packs large weights.
#pragma once

#include <cstddef>

namespace gatewise {

class Memory {
 public:
  explicit Memory(std::size_t bytes);
  ~Memory();
  Memory(const Memory &) = delete;
  void *data() const { return data_; }

 private:
  void *data_;
  std::size_t bytes_;
};

}  // namespace gatewise
