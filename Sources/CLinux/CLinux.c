#define _GNU_SOURCE
#include "CLinux.h"
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
#include <fcntl.h>
#include <errno.h>

#include <sched.h>
#include <signal.h>
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

int exeat_peer_has_group(int socket, unsigned int group) {
    socklen_t length = 0;
    // Says in ERANGE how many bytes it wants.
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, NULL, &length) == 0) return 0;
    if (errno != ERANGE || length == 0) return -1;
    gid_t *groups = malloc(length);
    if (!groups) return -1;
    int found = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0 ? -1 : 0;
    for (size_t index = 0; found == 0 && index < length / sizeof *groups; index++) found = groups[index] == group;
    free(groups);
    return found;
}

int exeat_set_nonblocking(int descriptor, int on) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -1;
    return fcntl(descriptor, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

int exeat_reserve(int descriptor, int64_t length) {
    int status;
    do status = fallocate(descriptor, 0, 0, length); while (status < 0 && errno == EINTR);
    // EPERM: a filter of system calls.
    return status < 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM ? -1 : 0;
}

static struct {
    const char *base;
    unsigned long length;
    char path[256];
} mappings[16];
static unsigned int mapping_count;

static void say(const char *text) {
    if (write(2, text, strlen(text)) < 0) return;
}

// Only what signal-safety(7) allows. The handler is gone when it returns, so that the instruction fails again and ends the process.
static void name_mapping(int number, siginfo_t *information, void *context) {
    (void)number;
    (void)context;
    for (unsigned int index = 0; index < mapping_count; index++) {
        if ((unsigned long)((const char *)information->si_addr - mappings[index].base) >= mappings[index].length) continue;
        say("critical exeat: ");
        say(mappings[index].path);
        say(" was cut short by somebody else, or its disk fails: the daemon ends, what is enforced stays. Start it again\n");
        return;
    }
}

void exeat_note_mapping(const void *base, unsigned long length, const char *path) {
    if (mapping_count == sizeof mappings / sizeof *mappings) return;
    mappings[mapping_count].base = base;
    mappings[mapping_count].length = length;
    strncpy(mappings[mapping_count].path, path, sizeof mappings->path - 1);
    mapping_count++;
    struct sigaction action = {0};
    action.sa_sigaction = name_mapping;
    action.sa_flags = SA_SIGINFO | SA_RESETHAND;
    sigaction(SIGBUS, &action, NULL);
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
