#define _GNU_SOURCE
#include "CThreadFreezer.h"
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int exeat_freeze_thread(int thread) {
    if (ptrace(PTRACE_SEIZE, thread, 0, 0) != 0 || ptrace(PTRACE_INTERRUPT, thread, 0, 0) != 0) return errno;
    return waitpid(thread, 0, __WALL) == thread ? 0 : errno;
}

int exeat_thaw_thread(int thread) { return ptrace(PTRACE_DETACH, thread, 0, 0) == 0 ? 0 : errno; }
