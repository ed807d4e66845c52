// Small shims for what Swift's Glibc overlay does not offer: calls that need _GNU_SOURCE, variadic functions and
// function-like macros. Each is prefixed `exeat_` and does nothing but the call.
#ifndef EXEAT_CLINUX_H
#define EXEAT_CLINUX_H

#include <netinet/in.h>
#include <linux/filter.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/// One datagram of a batch: the layout of `struct mmsghdr`, which glibc shows only under _GNU_SOURCE.
struct exeat_mmsghdr {
    struct msghdr header;
    unsigned int length;
};

/// Asks the processor to bring two cache lines; reads nothing, and an address that is not mapped, NULL too, does no harm.
static inline void exeat_prefetch_lines(const void *address) {
    __builtin_prefetch(address);
    __builtin_prefetch((const char *)address + 64);
}

/// The same for two cache lines that will be written: another processor that has them gives them up.
static inline void exeat_prefetch_lines_to_write(const void *address) {
#if defined(__x86_64__)
    // Without the processor's own name the compiler takes the one for reading. A processor that does not know this one passes over it.
    __asm__ volatile("prefetchw %0\n\tprefetchw %1" : : "m"(*(const char *)address), "m"(((const char *)address)[64]));
#else
    __builtin_prefetch(address, 1);
    __builtin_prefetch((const char *)address + 64, 1);
#endif
}

/// recvmmsg(2) without timeout.
int exeat_recvmmsg(int descriptor, struct exeat_mmsghdr *messages, unsigned int count, int flags);
/// sendmmsg(2).
int exeat_sendmmsg(int descriptor, struct exeat_mmsghdr *messages, unsigned int count, int flags);
/// setns(2).
int exeat_setns(int descriptor, int kind);
/// CLONE_NEWNET, a macro cast that Swift cannot import.
int exeat_clone_newnet(void);
/// setfsuid(2), which changes the calling thread alone: files that it opens from now on, sockets too, belong to this user.
void exeat_set_file_user(uint32_t user);
/// accept4(2): shown by glibc only under _GNU_SOURCE.
int exeat_accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);

/// Sends bytes and up to 16 descriptors over a Unix socket (sendmsg(2) with SCM_RIGHTS, whose macros Swift cannot import).
/// Returns what sendmsg returned.
long exeat_send_descriptors(int socket, const void *bytes, unsigned long count, const int *descriptors, int descriptor_count);
/// Receives bytes and up to 16 descriptors, close-on-exec. Returns what recvmsg returned; *descriptor_count is in and out.
long exeat_receive_descriptors(int socket, void *bytes, unsigned long count, int *descriptors, int *descriptor_count);
/// The user of the process at the other end of a Unix socket (SO_PEERCRED, `struct ucred` needs _GNU_SOURCE); -1 on error.
/// Group and process are stored through the pointers.
int exeat_peer_credentials(int socket, int *group, int *process);
/// Whether that process had this among its supplementary groups when it connected (SO_PEERGROUPS, Linux 4.13): 1, 0, or -1 and errno.
int exeat_peer_has_group(int socket, unsigned int group);
/// fcntl(2) F_SETFL O_NONBLOCK on or off; variadic in C.
int exeat_set_nonblocking(int descriptor, int on);

/// fallocate(2) of the first bytes, shown by glibc only under _GNU_SOURCE. 0, or -1 and errno; 0 too where the file system knows no such thing.
int exeat_reserve(int descriptor, int64_t length);
/// Has the end of the process by a fault in this mapping of a file (SIGBUS) name the file on standard error. At most 16.
void exeat_note_mapping(const void *base, unsigned long length, const char *path);

/// unshare(2): shown by glibc only under _GNU_SOURCE.
int exeat_unshare(int flags);

/// prctl(2) PR_SET_NAME, variadic in C: the name of the calling thread, for the first thread that of the process.
int exeat_set_name(const char *name);

/// Takes from the calling thread, which must be about to call execve(2), every capability but those of the mask `kept` (bit n:
/// capability n, capabilities(7)), from the bounding set too; keeps the others over execve (ambient set), sets no_new_privs, and if
/// `switches` becomes this user and group and no other group. Returns -1 and errno, 1 if the bounding set could not be changed, else 0.
int exeat_limit_thread(uint32_t user, uint32_t group, int switches, uint64_t kept);
/// The permitted capabilities of the calling thread as a mask; returns whether no_new_privs is set, or -1.
int exeat_capabilities(uint64_t *permitted);
/// fork(2), limit without any capability left, execv(3) in a session of its own, with /dev/null as standard input and outputs and no
/// other descriptor. Returns the process id, or -1 and errno.
int exeat_spawn_limited(const char *path, char *const arguments[], uint32_t user, uint32_t group, int switches);
/// Whether seccomp(2) filters can refuse system calls on this kernel.
int exeat_has_seccomp(void);
/// Installs the seccomp(2) filter of Privileges.c for all threads, those to come too. Returns -1 and errno.
int exeat_confine(void);

#endif
