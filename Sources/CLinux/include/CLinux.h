// Small shims for what Swift's Glibc overlay does not offer: calls that need _GNU_SOURCE, variadic functions and
// function-like macros. Each is prefixed `exeat_` and does nothing but the call.
#ifndef EXEAT_CLINUX_H
#define EXEAT_CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/// One datagram of a batch: the layout of `struct mmsghdr`, which glibc shows only under _GNU_SOURCE.
struct exeat_mmsghdr {
    struct msghdr header;
    unsigned int length;
};

/// recvmmsg(2) without timeout.
int exeat_recvmmsg(int descriptor, struct exeat_mmsghdr *messages, unsigned int count, int flags);
/// sendmmsg(2).
int exeat_sendmmsg(int descriptor, struct exeat_mmsghdr *messages, unsigned int count, int flags);
/// setns(2).
int exeat_setns(int descriptor, int kind);
/// CLONE_NEWNET, a macro cast that Swift cannot import.
int exeat_clone_newnet(void);

#endif
