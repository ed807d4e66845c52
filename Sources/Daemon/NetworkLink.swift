import Netlink

/// An interface of a network namespace, as rtnetlink(7) tells of it (`struct ifinfomsg`, linux/if_link.h).
struct NetworkLink: Sendable, Hashable {
    var index: UInt32
    var name = ""
    /// `bridge`, `veth`, `macvlan`, ...; empty for a device of the machine.
    var kind = ""
    /// What it is a port of: `bridge`, `bond`, ...
    var portKind = ""
    var master: UInt32 = 0
    /// The device beneath, and the number of its network namespace if that is another one.
    var lower: UInt32 = 0
    var lowerNamespace: UInt32?
    var hasXDP = false
    /// Of SR-IOV.
    var virtualFunctions: UInt32 = 0

    init?(decoding bytes: Span<UInt8>, _ message: NetlinkMessage) {
        // RTM_NEWLINK
        guard message.type == 16, message.payloadEnd - message.payloadStart >= 16 else { return nil }
        index = bytes.netlinkNative32(at: message.payloadStart + 4)
        var offset = message.payloadStart + 16
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            let number = attribute.count >= 4 ? bytes.netlinkNative32(at: attribute.start) : nil
            switch attribute.type {
            case 3: name = Self.text(bytes, attribute)  // IFLA_IFNAME
            case 5: lower = number ?? 0  // IFLA_LINK
            case 10: master = number ?? 0  // IFLA_MASTER
            case 18:  // IFLA_LINKINFO
                var inner = attribute.start
                while let part = NetlinkAttribute(in: bytes, at: &inner, end: attribute.end) {
                    if part.type == 1 { kind = Self.text(bytes, part) }  // IFLA_INFO_KIND
                    if part.type == 4 { portKind = Self.text(bytes, part) }  // IFLA_INFO_SLAVE_KIND
                }
            case 21: virtualFunctions = number ?? 0  // IFLA_NUM_VF
            case 37: lowerNamespace = number  // IFLA_LINK_NETNSID
            case 43:  // IFLA_XDP
                var inner = attribute.start
                while let part = NetlinkAttribute(in: bytes, at: &inner, end: attribute.end) {
                    if part.type == 2, part.count >= 1 { hasXDP = bytes[part.start] != 0 }  // IFLA_XDP_ATTACHED
                }
            default: break
            }
        }
    }

    /// All of the namespace that the socket (`NETLINK_ROUTE`) was opened in.
    static func all(_ socket: borrowing NetlinkSocket) throws(NetlinkError) -> [NetworkLink] {
        var writer = NetlinkWriter()
        // RTM_GETLINK; NLM_F_REQUEST and NLM_F_DUMP.
        writer.begin(type: 18, flags: 0x301, sequence: 1, header: [UInt8](repeating: 0, count: 16))
        writer.attributeNative32(29, 1)  // IFLA_EXT_MASK: RTEXT_FILTER_VF
        writer.end()
        var links: [NetworkLink] = []
        for _ in 0..<8 {
            links = []
            let isWhole = try socket.dump(writer.bytes, "list interfaces") { bytes, message in
                if let link = NetworkLink(decoding: bytes, message) { links.append(link) }
            }
            if isWhole { break }
        }
        return links
    }

    /// The names of BPF programs that look at its packets on their way in or out (filters of the kind `bpf` at clsact: tc-bpf(8)).
    func filters(_ socket: borrowing NetlinkSocket) throws(NetlinkError) -> [String] {
        var names: [String] = []
        // TC_H_CLSACT with TC_H_MIN_INGRESS and TC_H_MIN_EGRESS.
        for parent: UInt32 in [0xffff_fff2, 0xffff_fff3] {
            var writer = NetlinkWriter()
            // RTM_GETTFILTER with `struct tcmsg`: family, padding, interface, handle, parent, info.
            let words: [UInt32] = [0, index, 0, parent, 0]
            writer.begin(
                type: 46, flags: 0x301, sequence: 1,
                header: words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word.littleEndian >> (8 * UInt32($0))) } })
            writer.end()
            _ = try socket.dump(writer.bytes, "list the filters of \(name)") { bytes, message in
                if let name = Self.program(decoding: bytes, message), !names.contains(name) { names.append(name) }
            }
        }
        return names
    }

    private static func program(decoding bytes: Span<UInt8>, _ message: NetlinkMessage) -> String? {
        // RTM_NEWTFILTER
        guard message.type == 44, message.payloadEnd - message.payloadStart >= 20 else { return nil }
        var offset = message.payloadStart + 20
        var isBPF = false
        // The first answer for each priority is of no program, and classic programs have no name.
        var name: String?
        while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
            if attribute.type == 1 { isBPF = text(bytes, attribute) == "bpf" }  // TCA_KIND
            guard attribute.type == 2 else { continue }  // TCA_OPTIONS
            name = "classic"
            var inner = attribute.start
            while let part = NetlinkAttribute(in: bytes, at: &inner, end: attribute.end) {
                if part.type == 7 { name = text(bytes, part) }  // TCA_BPF_NAME
            }
        }
        return isBPF ? name : nil
    }

    private static func text(_ bytes: Span<UInt8>, _ attribute: NetlinkAttribute) -> String {
        var text: [UInt8] = []
        for index in attribute.start..<attribute.end where bytes[index] != 0 { text.append(bytes[index]) }
        return String(decoding: text, as: UTF8.self)
    }
}
