// Opens and closes TCP connections as quickly as it can, and the server for it.
//
//   tcp-load serve ADDRESS PORT close|answer
//   tcp-load connect ADDRESS PORT AT_ONCE MILLISECONDS [PAYLOAD_FILE]
//
// The server closes each connection as soon as it has accepted it (close), or after it has read something and answered one byte
// (answer); so TIME_WAIT is the server's, and the client does not run out of ports.
//
// At each SIGUSR1 the client keeps AT_ONCE connections under way for MILLISECONDS, each: connect(2), the payload if there is one, read
// until the server has closed, close(2). Then it prints one line of JSON: connections completed, those that failed, nanoseconds passed,
// and the median and 99th percentile of the microseconds from connect(2) to the established connection. Those that are under way when
// the time is over come to their end and are not counted: a filter that asks about each would have packets of sockets that are gone,
// and the next slice would wait behind them. It is one process for all slices, because filters that look for the process behind a
// connection remember those that they have found.
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE_MAX 1024
#define PAYLOAD_MAX 16384
#define SAMPLES_MAX 262144
#define EVENTS 256
// A connection that is not through by then has failed.
#define PATIENCE_NS 1000000000ull
// What is under way at the end of a slice may take so long to come to its own end.
#define DRAIN_NS 5000000000ull

struct connection {
    int descriptor;
    int is_established;
    uint64_t started_ns;
};

static struct connection connections[AT_ONCE_MAX];
static struct sockaddr_in target;
static unsigned char payload[PAYLOAD_MAX];
static size_t payload_length;
static uint32_t samples[SAMPLES_MAX];
static uint64_t done, failed, timed;
static int poller;

static volatile sig_atomic_t asked;

static void on_ask(int number) {
    (void)number;
    asked = 1;
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void serve(int answers) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (listener < 0) die("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&target, sizeof target) < 0) die("bind");
    if (listen(listener, 4096) < 0) die("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) die("epoll_ctl");
    report_ready();
    while (!stopped) {
        int count = epoll_wait(poller, events, EVENTS, 200);
        for (int index = 0; index < count; index++) {
            int descriptor = events[index].data.fd;
            if (descriptor != listener) {
                ssize_t got = read(descriptor, payload, sizeof payload);
                if (got > 0) (void)!write(descriptor, "!", 1);
                close(descriptor);
                continue;
            }
            for (int accepted; (accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
                if (!answers) {
                    close(accepted);
                    continue;
                }
                struct epoll_event wanted = {.events = EPOLLIN, .data.fd = accepted};
                if (epoll_ctl(poller, EPOLL_CTL_ADD, accepted, &wanted) < 0) close(accepted);
            }
        }
    }
}

static void begin(unsigned index) {
    struct connection *connection = &connections[index];
    connection->is_established = 0;
    connection->started_ns = now_ns();
    connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->descriptor < 0) die("socket");
    if (connect(connection->descriptor, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS) {
        // No port is free: the next look at the clock tries again.
        close(connection->descriptor);
        connection->descriptor = -1;
        failed++;
        return;
    }
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = index};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->descriptor, &event) < 0) die("epoll_ctl");
}

static void end(unsigned index, int is_good) {
    close(connections[index].descriptor);
    connections[index].descriptor = -1;
    if (is_good) done++;
    else failed++;
}

// Whether the connection has ended.
static int proceed(unsigned index) {
    struct connection *connection = &connections[index];
    if (!connection->is_established) {
        int error = 0;
        socklen_t length = sizeof error;
        getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error) {
            end(index, 0);
            return 1;
        }
        connection->is_established = 1;
        uint64_t took = now_ns() - connection->started_ns;
        if (timed < SAMPLES_MAX) samples[timed++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
        if (payload_length && write(connection->descriptor, payload, payload_length) != (ssize_t)payload_length) {
            end(index, 0);
            return 1;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
        if (epoll_ctl(poller, EPOLL_CTL_MOD, connection->descriptor, &event) < 0) die("epoll_ctl");
        return 0;
    }
    unsigned char byte[16];
    ssize_t got = read(connection->descriptor, byte, sizeof byte);
    if (got > 0 || (got < 0 && errno == EAGAIN)) return 0;
    end(index, got == 0);
    return 1;
}

static int compare(const void *a, const void *b) {
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

static void run(unsigned milliseconds, unsigned at_once) {
    done = failed = timed = 0;
    uint64_t start = now_ns(), deadline = start + (uint64_t)milliseconds * 1000000u, now;
    for (unsigned index = 0; index < at_once; index++) begin(index);
    uint64_t next_look = start;
    struct epoll_event events[EVENTS];
    while ((now = now_ns()) < deadline && !stopped) {
        int count = epoll_wait(poller, events, EVENTS, 5);
        for (int event = 0; event < count; event++) {
            if (proceed(events[event].data.u32)) begin(events[event].data.u32);
        }
        if (now < next_look) continue;
        next_look = now + 5000000u;
        for (unsigned index = 0; index < at_once; index++) {
            struct connection *connection = &connections[index];
            if (connection->descriptor >= 0 && now > connection->started_ns + PATIENCE_NS) end(index, 0);
            if (connections[index].descriptor < 0) begin(index);
        }
    }
    uint64_t passed = now_ns() - start, counted = done, counted_failed = failed, counted_timed = timed;
    unsigned under_way = 0;
    for (unsigned index = 0; index < at_once; index++) under_way += connections[index].descriptor >= 0;
    for (deadline = now_ns() + DRAIN_NS; under_way && now_ns() < deadline && !stopped;) {
        int count = epoll_wait(poller, events, EVENTS, 5);
        for (int event = 0; event < count; event++) under_way -= (unsigned)proceed(events[event].data.u32);
    }
    for (unsigned index = 0; index < at_once; index++) {
        if (connections[index].descriptor >= 0) close(connections[index].descriptor);
    }
    done = counted, failed = counted_failed, timed = counted_timed;
    qsort(samples, timed, sizeof *samples, compare);
    printf("{\"connections\":%llu,\"failed\":%llu,\"nanoseconds\":%llu,\"p50\":%.1f,\"p99\":%.1f}\n", (unsigned long long)done,
           (unsigned long long)failed, (unsigned long long)passed, timed ? samples[timed / 2] / 1000.0 : 0,
           timed ? samples[timed * 99 / 100] / 1000.0 : 0);
    fflush(stdout);
}

static void load_payload(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    payload_length = fread(payload, 1, sizeof payload, file);
    fclose(file);
}

int main(int count, char **arguments) {
    int serves = count == 5 && strcmp(arguments[1], "serve") == 0, connects = (count == 6 || count == 7) && strcmp(arguments[1], "connect") == 0;
    if (!serves && !connects) {
        fprintf(stderr, "usage: tcp-load serve ADDRESS PORT close|answer\n"
                        "       tcp-load connect ADDRESS PORT AT_ONCE MILLISECONDS [PAYLOAD_FILE]\n");
        return 2;
    }
    target.sin_family = AF_INET;
    if (inet_pton(AF_INET, arguments[2], &target.sin_addr) != 1) {
        fprintf(stderr, "not an address: %s\n", arguments[2]);
        return 2;
    }
    target.sin_port = htons((uint16_t)number_argument(arguments[3], 65535));
    signal(SIGPIPE, SIG_IGN);
    stop_on_signals();
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) die("epoll_create1");
    if (serves) {
        serve(strcmp(arguments[4], "answer") == 0);
        return 0;
    }
    unsigned at_once = (unsigned)number_argument(arguments[4], AT_ONCE_MAX);
    if (count > 6) load_payload(arguments[6]);
    unsigned milliseconds = (unsigned)number_argument(arguments[5], 60000);
    // Blocked but while it waits, so that none is missed.
    sigset_t asking, waiting;
    sigemptyset(&asking);
    sigaddset(&asking, SIGUSR1);
    sigprocmask(SIG_BLOCK, &asking, &waiting);
    struct sigaction ask;
    memset(&ask, 0, sizeof ask);
    ask.sa_handler = on_ask;
    sigaction(SIGUSR1, &ask, NULL);
    report_ready();
    while (!stopped) {
        sigsuspend(&waiting);
        if (!asked) continue;
        asked = 0;
        run(milliseconds, at_once);
    }
    return 0;
}
