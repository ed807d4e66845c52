#pragma once

/// Stops one thread of another process (ptrace(2), `PTRACE_SEIZE` and `PTRACE_INTERRUPT`) until `exeat_thaw_thread`, called on the same thread as this;
/// 0, or errno.
int exeat_freeze_thread(int thread);
int exeat_thaw_thread(int thread);
