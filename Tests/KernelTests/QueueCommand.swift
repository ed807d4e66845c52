import Glibc

/// Configuration messages of NFQUEUE, as bytes (linux/netfilter/nfnetlink_queue.h).
enum QueueCommand {
    static let bind: UInt8 = 1
    static let unbind: UInt8 = 2

    /// Sends one command for one queue; the kernel has carried it out, or refused it, when this returns.
    static func send(_ command: UInt8, queue: UInt16, on descriptor: Int32) throws {
        var message: [UInt8] = [28, 0, 0, 0, 2, 3, 1, 0]  // length; NFQNL_MSG_CONFIG of NFNL_SUBSYS_QUEUE; NLM_F_REQUEST
        message += [0, 0, 0, 0, 0, 0, 0, 0]  // sequence, port
        message += [0, 0, UInt8(queue >> 8), UInt8(queue & 0xff)]  // struct nfgenmsg
        message += [8, 0, 1, 0, command, 0, 0, 0]  // NFQA_CFG_CMD: struct nfqnl_msg_config_cmd
        let sent = unsafe Glibc.send(descriptor, message, message.count, 0)
        guard sent == message.count else { throw Problem("netlink send: errno \(errno)") }
    }

    /// A netfilter socket in the network namespace of the calling thread.
    static func socket() throws -> Int32 {
        let descriptor = Glibc.socket(AF_NETLINK, SocketKind.raw | SocketKind.closeOnExec, 12)  // NETLINK_NETFILTER
        guard descriptor >= 0 else { throw Problem("no netlink socket: errno \(errno)") }
        return descriptor
    }
}
