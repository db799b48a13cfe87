// Threads: those that the process has anyway, else some of our own.
#pragma once

#include <atomic>

namespace gatewise {

// Run task(context, rank, size) on up to `count` threads at once; size is how many there are.
// Nothing runs any more when it returns. A forked child runs alone: its parent's threads are gone.
void run_team(int count, void (*task)(void *, int rank, int size), void *context);

// Where the threads of a team wait for each other.
class Barrier {
 public:
  void wait(int size);

 private:
  std::atomic<int> arrived_{0}, round_{0};
};

}  // namespace gatewise
