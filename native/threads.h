// Running a task on several threads.
#pragma once

namespace gatewise {

// Run task(context, k) for k in [0, count), on up to `count` threads, and wait for all.
//
// Threads are those of the OpenMP runtime that the process has already loaded (torch's), because a
// second set would compete with its spinning ones; without one, threads of our own. A forked child
// cannot use its parent's and runs everything on the calling thread.
void run_parallel(int count, void (*task)(void *context, int k), void *context);

}  // namespace gatewise
