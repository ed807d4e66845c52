#define _GNU_SOURCE
#include "CLinux.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// Raw system calls throughout: they change the calling thread alone, which is about to call execve(2), and are safe after fork(2).
int exeat_limit_thread(uint32_t user, uint32_t group, int switches, uint64_t kept) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    int leaves_bounding = 0;
    // Drops from the bounding set need CAP_SETPCAP, so they go first.
    for (int capability = 0; capability < 64; capability++) {
        if (kept >> capability & 1) continue;
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) < 0) break;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) leaves_bounding = 1;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
    if (switches) {
        gid_t groups[1] = {group};
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return -1;
        if (syscall(SYS_setgroups, 1, groups) < 0) return -1;
        if (syscall(SYS_setresgid, group, group, group) < 0) return -1;
        if (syscall(SYS_setresuid, user, user, user) < 0) return -1;
    }
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    for (int word = 0; word < 2; word++) {
        uint32_t left = data[word].permitted & (uint32_t)(kept >> (32 * word));
        data[word].permitted = data[word].effective = data[word].inheritable = left;
    }
    if (syscall(SYS_capset, &header, data) < 0) return -1;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int capability = 0; capability < 64; capability++) {
        if ((data[capability / 32].permitted >> (capability % 32) & 1) == 0) continue;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -1;
    }
    return leaves_bounding;
}

int exeat_capabilities(uint64_t *permitted) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

int exeat_spawn_limited(const char *path, char *const arguments[], uint32_t user, uint32_t group, int switches) {
    pid_t child = fork();
    if (child != 0) return child;
    // Only calls that are safe after fork(2) of a process with threads.
    setsid();
    int null = open("/dev/null", O_RDWR);
    for (int standard = 0; standard <= 2; standard++) dup2(null, standard);
    syscall(SYS_close_range, 3u, ~0u, 0u);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (exeat_limit_thread(user, group, switches, 0) < 0) _exit(126);
    execv(path, arguments);
    _exit(127);
}

int exeat_has_seccomp(void) {
    uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

#if defined(__x86_64__)
#define EXEAT_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define EXEAT_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef EXEAT_ARCHITECTURE
// Refused with EPERM: what neither the daemon nor its holder ever does after the start, and what one who has taken it over would want.
static const int refused[] = {
    // Programs, other processes
    __NR_execve, __NR_execveat, __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_kcmp,
    __NR_pidfd_open, __NR_pidfd_send_signal,
#ifdef __NR_pidfd_getfd
    __NR_pidfd_getfd,
#endif
#ifdef __NR_process_madvise
    __NR_process_madvise,
#endif
    // Namespaces, file systems
    __NR_setns, __NR_unshare, __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot, __NR_open_tree, __NR_move_mount, __NR_fsopen,
    __NR_fsconfig, __NR_fsmount, __NR_fspick, __NR_name_to_handle_at, __NR_open_by_handle_at, __NR_mknodat, __NR_quotactl,
#ifdef __NR_mount_setattr
    __NR_mount_setattr,
#endif
#ifdef __NR_mknod
    __NR_mknod,
#endif
    // The kernel
    __NR_bpf, __NR_kexec_load, __NR_init_module, __NR_finit_module, __NR_delete_module, __NR_reboot, __NR_swapon, __NR_swapoff,
    __NR_perf_event_open, __NR_syslog, __NR_acct, __NR_lookup_dcookie, __NR_userfaultfd, __NR_personality, __NR_vhangup,
    __NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register, __NR_fanotify_init,
#ifdef __NR_kexec_file_load
    __NR_kexec_file_load,
#endif
#ifdef __NR_iopl
    __NR_iopl,
#endif
#ifdef __NR_ioperm
    __NR_ioperm,
#endif
#ifdef __NR_modify_ldt
    __NR_modify_ldt,
#endif
#ifdef __NR_uselib
    __NR_uselib,
#endif
#ifdef __NR_ustat
    __NR_ustat,
#endif
#ifdef __NR_sysfs
    __NR_sysfs,
#endif
    // Keys, clocks, names, users
    __NR_add_key, __NR_request_key, __NR_keyctl, __NR_settimeofday, __NR_clock_settime, __NR_clock_adjtime, __NR_adjtimex,
    __NR_sethostname, __NR_setdomainname, __NR_setuid, __NR_setgid, __NR_setreuid, __NR_setregid, __NR_setresuid, __NR_setresgid,
    __NR_setgroups, __NR_setfsuid, __NR_setfsgid, __NR_capset,
};

enum { refused_count = sizeof refused / sizeof refused[0] };

int exeat_confine(void) {
    // Jumps of the filter program count instructions and have 8 bits: each refused call has a return of its own.
    struct sock_filter program[24 + 2 * refused_count];
    unsigned int length = 0;
    const struct sock_filter load_number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
#define ADD(...) program[length++] = (struct sock_filter)__VA_ARGS__
    // A call of another architecture (32 bits) would have other numbers.
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, EXEAT_ARCHITECTURE, 1, 0));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    program[length++] = load_number;
#if defined(__x86_64__)
    // x32: the same numbers with this bit.
    ADD(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
#endif
    // clone3(2) hides its flags behind a pointer: glibc takes clone(2) when it is told that there is none.
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone3, 0, 1));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
    for (int index = 0; index < refused_count; index++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)refused[index], 0, 1));
        program[length++] = refuse;
    }
    // clone(2) that makes a namespace.
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 4));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
    ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x7e020000u, 0, 1));
    program[length++] = refuse;
    program[length++] = allow;
    // socket(2) of families other than Unix, IPv4, IPv6 and netlink.
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 6));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 4, 0));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0));
    program[length++] = refuse;
    program[length++] = allow;
#undef ADD
    struct sock_fprog filter = {(unsigned short)length, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
    // All threads of the process at once; a positive result is a thread that could not be had.
    long status = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    if (status > 0) errno = EBUSY;
    return status == 0 ? 0 : -1;
}
#else
int exeat_confine(void) {
    errno = ENOSYS;
    return -1;
}
#endif
