#include "threads.h"

#include <dlfcn.h>
#if defined(__linux__)
#include <link.h>
#endif
#include <pthread.h>
#include <sched.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace gatewise {
namespace {

// The OpenMP runtime that the process has loaded. An own pool beside it would run while its threads
// still spin; a second runtime must never be linked.
struct Runtime {
  void (*parallel)(void (*)(void *), void *, unsigned threads, unsigned flags) = nullptr;
  int (*thread_number)() = nullptr;
  int (*thread_count)() = nullptr;

  bool is_complete() const { return parallel && thread_number && thread_count; }
};

#if defined(__linux__)
int find_libgomp(dl_phdr_info *info, std::size_t, void *path) {
  if (std::strstr(info->dlpi_name, "libgomp") == nullptr) return 0;
  *static_cast<std::string *>(path) = info->dlpi_name;
  return 1;
}
#endif

template <class F>
void look_up(void *library, const char *name, F &function) {
  function = reinterpret_cast<F>(dlsym(library, name));
}

Runtime loaded_runtime() {
  Runtime found;
#if defined(__linux__)
  std::string path;
  dl_iterate_phdr(find_libgomp, &path);
  void *library = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (!library) return found;
  look_up(library, "GOMP_parallel", found.parallel);
  look_up(library, "omp_get_thread_num", found.thread_number);
  look_up(library, "omp_get_num_threads", found.thread_count);
#endif
  return found;
}

// Watched from the start: whatever used the runtime's threads before a fork, they are gone after it.
std::atomic<bool> is_forked{false};
const int watching = pthread_atfork(nullptr, nullptr, [] { is_forked = true; });

struct Work {
  void (*task)(void *, int, int);
  void *context;
  const Runtime *runtime;
};

void take_part(void *pointer) {
  const Work &work = *static_cast<const Work *>(pointer);
  work.task(work.context, work.runtime->thread_number(), work.runtime->thread_count());
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

void run_team(int count, void (*task)(void *, int, int), void *context) {
  if (count <= 1 || is_forked || watching != 0) return task(context, 0, 1);
  static const Runtime runtime = loaded_runtime();
  if (runtime.is_complete()) {
    Work work{task, context, &runtime};
    return runtime.parallel(take_part, &work, unsigned(count), 0);
  }
  std::vector<std::thread> helpers;
  for (int rank = 1; rank < count; ++rank) helpers.emplace_back(task, context, rank, count);
  task(context, 0, count);
  for (std::thread &helper : helpers) helper.join();
}

void Barrier::wait(int size) {
  constexpr int SPINS = 256;  // then the processor is left to others, who may be the ones missing
  const int round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin)
    spin < SPINS ? pause() : void(sched_yield());
}

}  // namespace gatewise
