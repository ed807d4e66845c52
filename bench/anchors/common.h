// What the anchors share: a stop flag, the CPU time of the process, numbers from the command line.
#ifndef ANCHOR_COMMON_H
#define ANCHOR_COMMON_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

// Datagrams taken with one recvmmsg(2).
#define BATCH 64

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

// Without SA_RESTART: a blocked receive ends with EINTR.
static void stop_on_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

struct cpu_time {
    uint64_t user_ns, system_ns;
};

static struct cpu_time cpu_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct cpu_time time = {
        (uint64_t)usage.ru_utime.tv_sec * 1000000000u + (uint64_t)usage.ru_utime.tv_usec * 1000u,
        (uint64_t)usage.ru_stime.tv_sec * 1000000000u + (uint64_t)usage.ru_stime.tv_usec * 1000u,
    };
    return time;
}

static unsigned long number_argument(const char *text, unsigned long max) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 0);
    if (errno || *text == 0 || *end != 0 || value > max) {
        fprintf(stderr, "not a number from 0 to %lu: %s\n", max, text);
        exit(2);
    }
    return value;
}

// The driver waits for this line before it sends anything.
static void report_ready(void) {
    puts("{\"ready\":true}");
    fflush(stdout);
}

// The CPU time is that since `start`, taken when the first datagram came.
static inline void report(uint64_t packets, uint64_t batches, uint64_t errors, struct cpu_time start) {
    struct cpu_time end = cpu_now();
    uint64_t user = end.user_ns - start.user_ns, system_time = end.system_ns - start.system_ns;
    printf("{\"packets\":%llu,\"batches\":%llu,\"errors\":%llu,\"userNanoseconds\":%llu,\"systemNanoseconds\":%llu,"
           "\"cpuNanoseconds\":%llu}\n",
           (unsigned long long)packets, (unsigned long long)batches, (unsigned long long)errors,
           (unsigned long long)user, (unsigned long long)system_time, (unsigned long long)(user + system_time));
    fflush(stdout);
}

#endif
