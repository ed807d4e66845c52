#define _GNU_SOURCE
#include "CLinux.h"

#include <sched.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct exeat_mmsghdr) == sizeof(struct mmsghdr), "mmsghdr layout");

int exeat_recvmmsg(int descriptor, struct exeat_mmsghdr *messages, unsigned int count, int flags) {
    return recvmmsg(descriptor, (struct mmsghdr *)messages, count, flags, 0);
}

int exeat_sendmmsg(int descriptor, struct exeat_mmsghdr *messages, unsigned int count, int flags) {
    return sendmmsg(descriptor, (struct mmsghdr *)messages, count, flags);
}

int exeat_setns(int descriptor, int kind) {
    return setns(descriptor, kind);
}

int exeat_clone_newnet(void) {
    return CLONE_NEWNET;
}
