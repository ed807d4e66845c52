import CLinux
import Glibc
import NetworkTypes

/// Several sockets for one address and port, one for each worker.
extension DNSSockets {
    /// Lets further sockets of this user take the address and port of a bound one (`SO_REUSEPORT`, socket(7)).
    public static func share(_ descriptor: Int32) throws(DNSSocketError) { try set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }

    /// Has the kernel choose among the first `count` sockets that share the address and port of this one by the client's address alone.
    ///
    /// All that a client asks comes to one worker: what is counted for each client is counted in one place, and whoever asks without end takes the
    /// time of one worker only. The kernel itself would choose by the ports too.
    ///
    /// It is a classic BPF program of the whole group (`SO_ATTACH_REUSEPORT_CBPF`, linux/filter.h): the source address in the packet's network header
    /// (RFC 791 §3.1, RFC 8200 §3) times an odd `seed`, of which the upper half counts. With the same seed all groups choose alike, UDP and TCP, as
    /// long as their sockets were bound in the same order.
    /// - Parameter count: 1 to 65,535.
    public static func steer(_ descriptor: Int32, over count: Int, seed: UInt32) throws(DNSSocketError) {
        guard let address = SocketAddress.ofSocket(descriptor)?.address else { throw DNSSocketError(.getsockname, code: errno) }
        func step(_ code: Int32, _ value: UInt32 = 0) -> sock_filter { sock_filter(code: UInt16(code), jt: 0, jf: 0, k: value) }
        func load(_ offset: UInt32) -> sock_filter { step(BPF_LD | BPF_W | BPF_ABS, UInt32(bitPattern: SKF_NET_OFF) + offset) }
        let multiply = step(BPF_ALU | BPF_MUL | BPF_K, seed | 1)
        var program: [sock_filter]
        switch address.family {
        case .v4: program = [load(12), multiply]
        case .v6:
            program = [load(8), multiply]
            for offset: UInt32 in [12, 16, 20] {
                program += [step(BPF_MISC | BPF_TAX), load(offset), step(BPF_ALU | BPF_XOR | BPF_X), multiply]
            }
        }
        program += [step(BPF_ALU | BPF_RSH | BPF_K, 16), step(BPF_ALU | BPF_MOD | BPF_K, UInt32(count)), step(BPF_RET | BPF_A)]
        let length = UInt16(program.count)
        let status = unsafe program.withUnsafeMutableBufferPointer { steps in
            var whole = unsafe sock_fprog(len: length, filter: steps.baseAddress)
            return unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &whole, socklen_t(MemoryLayout<sock_fprog>.size))
        }
        guard status == 0 else { throw DNSSocketError(.setsockopt, code: errno) }
    }
}
