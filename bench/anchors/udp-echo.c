// The least that a DNS server must do: take up to 64 queries with one recvmmsg(2), answer all with one sendmmsg(2).
//
//   udp-echo ADDRESS PORT REPLY_LENGTH [PACKETS]
//
// A reply is the query with the QR bit set (RFC 1035 §4.1.1), filled with zeros to REPLY_LENGTH bytes (never shorter than the
// query), so that a load generator that matches ids accepts it and the kernel carries as much as for a real answer. It ends on
// SIGTERM or SIGINT, or after PACKETS (0: no limit), and prints one line of JSON with the CPU time from the first query on.
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#define MESSAGE_BYTES 4096
#define SOCKET_BUFFER (4 << 20)

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
            continue;
        }
        if (packets == 0) start = cpu_now();
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
        for (int index = 0; index < taken; index++) {
            vectors[index].iov_len = MESSAGE_BYTES;
            messages[index].msg_hdr.msg_namelen = sizeof peers[index];
        }
    }
    report(packets, batches, errors, start);
    return 0;
}
