// Counts allocations of the calling thread, so that "allocates nothing" is an ordinary unit test.
#ifndef EXEAT_ALLOCATION_COUNTER_H
#define EXEAT_ALLOCATION_COUNTER_H
#include <stdint.h>
/// Calls of malloc, calloc, realloc, posix_memalign and aligned_alloc made by this thread so far.
uint64_t exeat_allocations_of_this_thread(void);
#endif
