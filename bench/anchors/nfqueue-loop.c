// The least that a program must do for queued packets: take up to 64 with one recvmmsg(2), accept all of them with one send.
//
//   nfqueue-loop QUEUE [PACKETS [MARK [repeat]]]
//
// It binds the queue with the options of the daemon (256 bytes of each packet, GSO, forced socket buffer), reads nothing of a
// packet but its id, and sets MARK as packet mark if it is given and not 0. The verdict is NF_ACCEPT, with `repeat` NF_REPEAT, as
// the daemon's is: the packet enters its chain again. It ends on SIGTERM or SIGINT, or after PACKETS (0: no limit), and prints one
// line of JSON with the CPU time from the first packet on.
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>
#include <sys/time.h>

#define COPY_RANGE 256
#define QUEUE_LENGTH 65536
#define SOCKET_BUFFER (16 << 20)
// Headers, attributes and 256 bytes of payload.
#define MESSAGE_BYTES 2048
// nlmsghdr 16, nfgenmsg 4, verdict attribute 12, mark attribute 8.
#define VERDICT_BYTES 40

static unsigned char received[BATCH][MESSAGE_BYTES] __attribute__((aligned(16)));
static unsigned char verdicts[BATCH * VERDICT_BYTES] __attribute__((aligned(16)));

static struct nlmsghdr *begin(void *buffer, int type, uint16_t queue, uint16_t flags) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = (uint16_t)((NFNL_SUBSYS_QUEUE << 8) | type);
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
    header->nfgen_family = AF_UNSPEC;
    header->version = NFNETLINK_V0;
    header->res_id = htons(queue);
    return message;
}

static void bind_queue(struct mnl_socket *netlink, uint16_t queue) {
    unsigned char buffer[512] __attribute__((aligned(16)));
    struct nlmsghdr *message = begin(buffer, NFQNL_MSG_CONFIG, queue, NLM_F_ACK);
    struct nfqnl_msg_config_cmd command = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_UNSPEC)};
    struct nfqnl_msg_config_params parameters = {.copy_range = htonl(COPY_RANGE), .copy_mode = NFQNL_COPY_PACKET};
    mnl_attr_put(message, NFQA_CFG_CMD, sizeof command, &command);
    mnl_attr_put(message, NFQA_CFG_PARAMS, sizeof parameters, &parameters);
    mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
    mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
    mnl_attr_put_u32(message, NFQA_CFG_QUEUE_MAXLEN, htonl(QUEUE_LENGTH));
    if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0) die("send configuration");
    ssize_t length = mnl_socket_recvfrom(netlink, buffer, sizeof buffer);
    if (length < 0) die("receive acknowledgement");
    if (mnl_cb_run(buffer, (size_t)length, 0, mnl_socket_get_portid(netlink), NULL, NULL) < 0) die("bind the queue");
}

int main(int count, char **arguments) {
    if (count < 2 || count > 5 || (count == 5 && strcmp(arguments[4], "repeat") != 0)) {
        fprintf(stderr, "usage: nfqueue-loop QUEUE [PACKETS [MARK [repeat]]]\n");
        return 2;
    }
    uint16_t queue = (uint16_t)number_argument(arguments[1], 65535);
    uint64_t packets_max = count > 2 ? number_argument(arguments[2], UINT32_MAX) : 0;
    uint32_t mark = count > 3 ? (uint32_t)number_argument(arguments[3], UINT32_MAX) : 0;
    uint32_t decision = count > 4 ? NF_REPEAT : NF_ACCEPT;
    stop_on_signals();

    struct mnl_socket *netlink = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (!netlink) die("open netlink");
    if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0) die("bind netlink");
    int descriptor = mnl_socket_get_fd(netlink), one = 1, buffer_bytes = SOCKET_BUFFER;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
    mnl_socket_setsockopt(netlink, NETLINK_NO_ENOBUFS, &one, sizeof one);
    bind_queue(netlink, queue);
    // A signal between the test of the flag and the receive is seen after this time.
    struct timeval patience = {.tv_usec = 200000};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    memset(messages, 0, sizeof messages);
    for (int index = 0; index < BATCH; index++) {
        vectors[index] = (struct iovec){received[index], MESSAGE_BYTES};
        messages[index].msg_hdr.msg_iov = &vectors[index];
        messages[index].msg_hdr.msg_iovlen = 1;
    }

    uint64_t packets = 0, batches = 0, errors = 0;
    struct cpu_time start = cpu_now();
    report_ready();
    while (!stopped && (packets_max == 0 || packets < packets_max)) {
        int taken = recvmmsg(descriptor, messages, BATCH, MSG_WAITFORONE, NULL);
        if (taken <= 0) {
            if (taken < 0 && errno != EINTR && errno != EAGAIN && errno != ENOBUFS) die("recvmmsg");
            continue;
        }
        if (packets == 0) start = cpu_now();
        size_t used = 0;
        for (int index = 0; index < taken; index++) {
            struct nlmsghdr *message = (struct nlmsghdr *)received[index];
            if (!mnl_nlmsg_ok(message, (int)messages[index].msg_len) ||
                message->nlmsg_type != ((NFNL_SUBSYS_QUEUE << 8) | NFQNL_MSG_PACKET)) {
                errors++;
                continue;
            }
            // The kernel puts the packet header first.
            struct nlattr *attribute = mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));
            if (mnl_attr_get_type(attribute) != NFQA_PACKET_HDR) {
                errors++;
                continue;
            }
            const struct nfqnl_msg_packet_hdr *header = mnl_attr_get_payload(attribute);
            struct nlmsghdr *answer = begin(verdicts + used, NFQNL_MSG_VERDICT, queue, 0);
            struct nfqnl_msg_verdict_hdr verdict = {.verdict = htonl(decision), .id = header->packet_id};
            mnl_attr_put(answer, NFQA_VERDICT_HDR, sizeof verdict, &verdict);
            if (mark) mnl_attr_put_u32(answer, NFQA_MARK, htonl(mark));
            used += answer->nlmsg_len;
            packets++;
        }
        batches++;
        if (used > 0 && send(descriptor, verdicts, used, 0) < 0) die("send verdicts");
    }
    report(packets, batches, errors, start);
    mnl_socket_close(netlink);
    return 0;
}
