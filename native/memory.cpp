#include "memory.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

namespace gatewise {
namespace {

constexpr std::align_val_t ALIGNMENT{64};
constexpr std::size_t LEAST = std::size_t(1) << 20;  // below, the allocator itself keeps memory
constexpr std::size_t MOST = std::size_t(1) << 26;   // bytes that lie idle, of all pieces together

struct Piece {
  void *data;
  std::size_t bytes;
};

// What nobody uses, the latest given back last. Whoever finds the lock taken does without, so that a
// child never waits for a thread that its fork left behind. Never destroyed: threads may outlive it.
struct Idle {
  std::mutex lock;
  std::vector<Piece> pieces;
  std::size_t bytes = 0;
};

Idle &idle() {
  static Idle &all = *new Idle;
  return all;
}

void release(Piece piece) { ::operator delete(piece.data, ALIGNMENT); }

// A piece of up to twice the size, or null.
Piece take(std::size_t bytes) {
  const std::unique_lock guard(idle().lock, std::try_to_lock);
  if (!guard) return {};
  auto &pieces = idle().pieces;
  const auto found = std::find_if(pieces.rbegin(), pieces.rend(), [&](const Piece &piece) {
    return bytes <= piece.bytes && piece.bytes <= 2 * bytes;
  });
  if (found == pieces.rend()) return {};
  const Piece piece = *found;
  pieces.erase(std::next(found).base());
  idle().bytes -= piece.bytes;
  return piece;
}

// Keep a piece, and let the oldest go if it gets too much; whether it was kept.
bool give(Piece piece) {
  const std::unique_lock guard(idle().lock, std::try_to_lock);
  if (!guard) return false;
  auto &pieces = idle().pieces;
  pieces.push_back(piece);
  idle().bytes += piece.bytes;
  while (idle().bytes > MOST) {
    idle().bytes -= pieces.front().bytes;
    release(pieces.front());
    pieces.erase(pieces.begin());
  }
  return true;
}

}  // namespace

Memory::Memory(std::size_t bytes) : bytes_(std::max<std::size_t>(bytes, 1)) {
  const Piece kept = bytes_ < LEAST ? Piece{} : take(bytes_);
  if (kept.data) bytes_ = kept.bytes;
  data_ = kept.data ? kept.data : ::operator new(bytes_, ALIGNMENT);
}

Memory::~Memory() {
  const Piece piece{data_, bytes_};
  if (bytes_ < LEAST || bytes_ > MOST || !give(piece)) release(piece);
}

}  // namespace gatewise
