#define _GNU_SOURCE
#include "CLinux.h"
#include <unistd.h>
#include <string.h>
#include <fcntl.h>
#include <errno.h>

#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
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

int exeat_accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags) {
    return accept4(descriptor, address, length, flags);
}

long exeat_send_descriptors(int socket, const void *bytes, unsigned long count, const int *descriptors, int descriptor_count) {
    char control[CMSG_SPACE(16 * sizeof(int))];
    struct iovec vector = {(void *)bytes, count};
    struct msghdr message = {0};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (descriptor_count < 0 || descriptor_count > 16) {
        errno = EINVAL;
        return -1;
    }
    if (descriptor_count > 0) {
        memset(control, 0, sizeof control);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE((size_t)descriptor_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)descriptor_count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, (size_t)descriptor_count * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

long exeat_receive_descriptors(int socket, void *bytes, unsigned long count, int *descriptors, int *descriptor_count) {
    char control[CMSG_SPACE(16 * sizeof(int))];
    struct iovec vector = {bytes, count};
    struct msghdr message = {0};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    int capacity = *descriptor_count;
    *descriptor_count = 0;
    long received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int found = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int index = 0; index < found; index++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + (size_t)index * sizeof(int), sizeof descriptor);
            if (*descriptor_count < capacity) {
                descriptors[(*descriptor_count)++] = descriptor;
            } else {
                close(descriptor);
            }
        }
    }
    return received;
}

int exeat_peer_credentials(int socket, int *group, int *process) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -1;
    *group = (int)credentials.gid;
    *process = (int)credentials.pid;
    return (int)credentials.uid;
}

int exeat_set_nonblocking(int descriptor, int on) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -1;
    return fcntl(descriptor, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

int exeat_unshare(int flags) {
    return unshare(flags);
}

void exeat_set_file_user(uint32_t user) {
    setfsuid(user);
}

int exeat_set_name(const char *name) {
    return prctl(PR_SET_NAME, name, 0, 0, 0);
}
