// Asks a DNS server for names at a fixed rate, whatever becomes of the questions, and times each answer.
//
//   dns-load ADDRESS PORT QUERIES RATE MILLISECONDS
//
// QUERIES is a file of queries, each with its length before it (two bytes, network order, as over TCP). The process has SOCKETS sockets and
// gives each query the id of its place among those that are under way. It asks at that rate for so long, waits up to a second for what is under
// way, and prints one line of JSON: sent, answered, the median, the 99th and the 99.9th percentile of the microseconds from send(2) to the answer
// read, and by how many microseconds its own sends came late (99th percentile).
//
// It never sleeps while it measures: it is meant for a processor of its own.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS 16
#define UNDER_WAY 65536
#define QUERIES_MAX 65536
#define SAMPLES_MAX (1u << 22)

static unsigned char *queries[QUERIES_MAX];
static size_t lengths[QUERIES_MAX], count;
static uint64_t sent_at[UNDER_WAY];
static uint32_t samples[SAMPLES_MAX], lateness[SAMPLES_MAX];
static int sockets[SOCKETS];

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static double quantile(uint32_t *values, size_t number, double share) {
    if (number == 0) return 0;
    size_t place = (size_t)(share * (double)number);
    return values[place < number ? place : number - 1] / 1000.0;
}

static size_t collect(size_t answered) {
    unsigned char reply[4096];
    for (int index = 0; index < SOCKETS; index++) {
        while (1) {
            ssize_t length = recv(sockets[index], reply, sizeof reply, MSG_DONTWAIT);
            if (length < 12) break;
            uint64_t now = now_ns();
            size_t id = (size_t)reply[0] << 8 | reply[1];
            // Each once, good ones only: NOERROR with an answer.
            if (sent_at[id] == 0 || (reply[3] & 15) != 0 || (reply[6] | reply[7]) == 0) continue;
            if (answered < SAMPLES_MAX) samples[answered++] = (uint32_t)(now - sent_at[id]);
            sent_at[id] = 0;
        }
    }
    return answered;
}

static void measure(double rate, uint64_t milliseconds) {
    size_t sent = 0, answered = 0, lost = 0;
    uint64_t start = now_ns(), end = start + milliseconds * 1000000u;
    memset(sent_at, 0, sizeof sent_at);
    while (1) {
        uint64_t now = now_ns();
        if (now >= end) break;
        uint64_t due = start + (uint64_t)((double)sent * 1e9 / rate);
        if (now >= due && sent < SAMPLES_MAX) {
            size_t id = sent % UNDER_WAY, which = sent % count;
            if (sent_at[id] != 0) lost++;
            queries[which][0] = (unsigned char)(id >> 8);
            queries[which][1] = (unsigned char)id;
            lateness[sent] = (uint32_t)(now - due);
            sent_at[id] = now;
            if (send(sockets[sent % SOCKETS], queries[which], lengths[which], MSG_DONTWAIT) < 0) sent_at[id] = 0;
            sent++;
        }
        answered = collect(answered);
    }
    for (uint64_t until = now_ns() + 1000000000u; answered < sent && now_ns() < until;) answered = collect(answered);
    qsort(samples, answered, sizeof samples[0], ascending);
    qsort(lateness, sent, sizeof lateness[0], ascending);
    printf(
        "{\"sent\":%zu,\"answered\":%zu,\"overtaken\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"late99\":%.1f}\n", sent, answered, lost,
        quantile(samples, answered, 0.5), quantile(samples, answered, 0.99), quantile(samples, answered, 0.999),
        quantile(lateness, sent, 0.99));
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: dns-load ADDRESS PORT QUERIES RATE MILLISECONDS\n");
        return 2;
    }
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &target.sin_addr) != 1) die("address");
    FILE *file = fopen(argv[3], "rb");
    if (!file) die("queries");
    for (int high; count < QUERIES_MAX && (high = fgetc(file)) != EOF; count++) {
        lengths[count] = (size_t)high << 8 | (size_t)fgetc(file);
        if (lengths[count] < 12 || !(queries[count] = malloc(lengths[count]))) die("query");
        if (fread(queries[count], 1, lengths[count], file) != lengths[count]) die("query");
    }
    fclose(file);
    if (count == 0) die("no queries");
    for (int index = 0; index < SOCKETS; index++) {
        sockets[index] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int bytes = 4 << 20;
        if (sockets[index] < 0 || connect(sockets[index], (struct sockaddr *)&target, sizeof target) < 0) die("connect");
        setsockopt(sockets[index], SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    }
    measure(atof(argv[4]), strtoull(argv[5], NULL, 10));
    return 0;
}
