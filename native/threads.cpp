#include "threads.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gatewise {
namespace {

using Parallel = void (*)(void (*)(void *), void *, unsigned threads, unsigned flags);

int find_libgomp(dl_phdr_info *info, std::size_t, void *path) {
  if (std::strstr(info->dlpi_name, "libgomp") == nullptr) return 0;
  *static_cast<std::string *>(path) = info->dlpi_name;
  return 1;
}

// The entry of the libgomp that the process has loaded, or null.
Parallel loaded_runtime() {
  std::string path;
  dl_iterate_phdr(find_libgomp, &path);
  if (path.empty()) return nullptr;
  void *library = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  return library ? reinterpret_cast<Parallel>(dlsym(library, "GOMP_parallel")) : nullptr;
}

std::atomic<bool> is_forked{false};

struct Work {
  int count;
  void (*task)(void *, int);
  void *context;
  std::atomic<int> next{0};
};

// Take tasks until there are none, so that it does not matter how many threads there really are.
void take_tasks(void *work_pointer) {
  Work &work = *static_cast<Work *>(work_pointer);
  for (int k; (k = work.next.fetch_add(1)) < work.count;) work.task(work.context, k);
}

}  // namespace

void run_parallel(int count, void (*task)(void *, int), void *context) {
  static std::once_flag watched;
  std::call_once(watched, [] { pthread_atfork(nullptr, nullptr, [] { is_forked = true; }); });
  Work work{count, task, context};
  if (count <= 1 || is_forked) return take_tasks(&work);
  static const Parallel parallel = loaded_runtime();
  if (parallel) return parallel(take_tasks, &work, unsigned(count), 0);
  std::vector<std::thread> helpers;
  for (int k = 1; k < count; ++k) helpers.emplace_back(take_tasks, &work);
  take_tasks(&work);
  for (std::thread &helper : helpers) helper.join();
}

}  // namespace gatewise
