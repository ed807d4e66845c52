// The least that a DNS server must do: take up to 64 queries with one recvmmsg(2), answer all with one sendmmsg(2).
//
//   udp-echo ADDRESS PORT REPLY_LENGTH [PACKETS]
//
// A reply is the query with the QR bit set (RFC 1035 §4.1.1), filled with zeros to REPLY_LENGTH bytes (never shorter than the
// query), so that a load generator that matches ids accepts it and the kernel carries as much as for a real answer. It ends on
// SIGTERM or SIGINT, or after PACKETS (0: no limit), and prints one line of JSON with the CPU time from the first query on.
//
// SIGUSR1 has it print how long the batches since the last one took, from having read the queries to having sent the answers: the
// mean over queries and the 50th and 99th percentile, to a tenth of a microsecond. Before the first one it reads no clock.
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define MESSAGE_BYTES 4096
#define SOCKET_BUFFER (4 << 20)

// Times in steps of 100 ns; the last step holds all that are longer.
#define STEPS 20000

static volatile sig_atomic_t asked;
static int is_timing;
static uint32_t steps[STEPS];
static uint64_t timed, timed_ns;

static void on_ask(int number) {
    (void)number;
    asked = 1;
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static double percentile(unsigned percent) {
    uint64_t seen = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        seen += steps[step];
        if (seen * 100 >= timed * percent) return (step + 1) / 10.0;
    }
    return STEPS / 10.0;
}

static void report_times(void) {
    asked = 0;
    is_timing = 1;
    if (timed == 0) timed = 1;
    printf("{\"timed\":%llu,\"meanNanoseconds\":%llu,\"p50Microseconds\":%.1f,\"p99Microseconds\":%.1f}\n",
           (unsigned long long)timed, (unsigned long long)(timed_ns / timed), percentile(50), percentile(99));
    fflush(stdout);
    timed = timed_ns = 0;
    memset(steps, 0, sizeof steps);
}

static unsigned char messages_bytes[BATCH][MESSAGE_BYTES];

static socklen_t parse_address(const char *text, uint16_t port, struct sockaddr_storage *address) {
    memset(address, 0, sizeof *address);
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        return sizeof *v6;
    }
    fprintf(stderr, "not an address: %s\n", text);
    exit(2);
}

int main(int count, char **arguments) {
    if (count < 4 || count > 5) {
        fprintf(stderr, "usage: udp-echo ADDRESS PORT REPLY_LENGTH [PACKETS]\n");
        return 2;
    }
    struct sockaddr_storage address;
    socklen_t address_length = parse_address(arguments[1], (uint16_t)number_argument(arguments[2], 65535), &address);
    size_t reply_length = number_argument(arguments[3], MESSAGE_BYTES);
    uint64_t packets_max = count > 4 ? number_argument(arguments[4], UINT32_MAX) : 0;
    stop_on_signals();
    struct sigaction ask;
    memset(&ask, 0, sizeof ask);
    ask.sa_handler = on_ask;
    sigaction(SIGUSR1, &ask, NULL);

    int descriptor = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), buffer_bytes = SOCKET_BUFFER;
    if (descriptor < 0) die("socket");
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
    if (bind(descriptor, (struct sockaddr *)&address, address_length) < 0) die("bind");
    // A signal between the test of the flag and the receive is seen after this time.
    struct timeval patience = {.tv_usec = 200000};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_storage peers[BATCH];
    memset(messages, 0, sizeof messages);
    for (int index = 0; index < BATCH; index++) {
        vectors[index] = (struct iovec){messages_bytes[index], MESSAGE_BYTES};
        messages[index].msg_hdr.msg_iov = &vectors[index];
        messages[index].msg_hdr.msg_iovlen = 1;
        messages[index].msg_hdr.msg_name = &peers[index];
        messages[index].msg_hdr.msg_namelen = sizeof peers[index];
    }

    uint64_t packets = 0, batches = 0, errors = 0;
    struct cpu_time start = cpu_now();
    report_ready();
    while (!stopped && (packets_max == 0 || packets < packets_max)) {
        int taken = recvmmsg(descriptor, messages, BATCH, MSG_WAITFORONE, NULL);
        if (taken <= 0) {
            if (taken < 0 && errno != EINTR && errno != EAGAIN) die("recvmmsg");
            if (asked) report_times();
            continue;
        }
        if (packets == 0) start = cpu_now();
        uint64_t read_at = is_timing ? now_ns() : 0;
        for (int index = 0; index < taken; index++) {
            size_t length = messages[index].msg_len;
            if (length > 2) messages_bytes[index][2] |= 0x80;
            if (length < reply_length) memset(messages_bytes[index] + length, 0, reply_length - length);
            vectors[index].iov_len = length < reply_length ? reply_length : length;
        }
        for (int sent = 0; sent < taken;) {
            int now = sendmmsg(descriptor, messages + sent, (unsigned)(taken - sent), 0);
            if (now > 0) {
                sent += now;
            } else if (errno != EINTR) {
                // One that cannot be sent is counted and left out.
                errors++;
                sent++;
            }
        }
        packets += (uint64_t)taken;
        batches++;
        if (is_timing) {
            uint64_t took = now_ns() - read_at;
            steps[took / 100 < STEPS ? took / 100 : STEPS - 1] += (uint32_t)taken;
            timed += (uint64_t)taken;
            timed_ns += took * (uint64_t)taken;
        }
        for (int index = 0; index < taken; index++) {
            vectors[index].iov_len = MESSAGE_BYTES;
            messages[index].msg_hdr.msg_namelen = sizeof peers[index];
        }
    }
    report(packets, batches, errors, start);
    return 0;
}
