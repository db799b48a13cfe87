// Memory that catches mistakes: exactly as large as asked for, between fences.
#pragma once

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

namespace gatewise {

struct Finding : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// `count` elements, poisoned until they are written (floating-point numbers: NaN), with a fence on
// either side. AddressSanitizer stops whoever touches a fence; without it, check() finds who wrote.
template <class T>
class Fenced {
 public:
  // Starts `shift` elements after a multiple of the alignment, as a part of a tensor may.
  explicit Fenced(std::int64_t count, std::int64_t shift = 0)
      : count_(std::size_t(count)), front_(FENCE + std::size_t(shift) * sizeof(T)),
        size_(front_ + count_ * sizeof(T) + FENCE),
        memory_(static_cast<unsigned char *>(::operator new(size_, std::align_val_t(FENCE))),
                Release{size_}) {
    std::memset(memory_.get(), SENTINEL, size_);
    std::memset(begin(), POISON, count_ * sizeof(T));
    ASAN_POISON_MEMORY_REGION(memory_.get(), front_);
    ASAN_POISON_MEMORY_REGION(end(), FENCE);
  }

  // Null where there is nothing, as the address of an empty tensor is.
  T *data() const { return count_ ? reinterpret_cast<T *>(begin()) : nullptr; }
  std::size_t size() const { return count_; }

  void check(const std::string &name) const {
    ASAN_UNPOISON_MEMORY_REGION(memory_.get(), size_);
    const auto is_whole = [](unsigned char byte) { return byte == SENTINEL; };
    if (!std::all_of(memory_.get(), begin(), is_whole))
      throw Finding(name + ": something was written before its start");
    if (!std::all_of(end(), memory_.get() + size_, is_whole))
      throw Finding(name + ": something was written beyond its end");
    ASAN_POISON_MEMORY_REGION(memory_.get(), front_);
    ASAN_POISON_MEMORY_REGION(end(), FENCE);
  }

 private:
  static constexpr std::size_t FENCE = 128;            // bytes, more than a vector has
  static constexpr unsigned char SENTINEL = 0xFE;      // as a number, huge
  static constexpr unsigned char POISON = 0xFF;        // as a number, NaN

  struct Release {
    std::size_t size;
    void operator()(unsigned char *memory) const {
      ASAN_UNPOISON_MEMORY_REGION(memory, size);
      ::operator delete(memory, std::align_val_t(FENCE));
    }
  };

  unsigned char *begin() const { return memory_.get() + front_; }
  unsigned char *end() const { return begin() + count_ * sizeof(T); }

  std::size_t count_, front_, size_;
  std::unique_ptr<unsigned char, Release> memory_;
};

}  // namespace gatewise
