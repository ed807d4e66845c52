import NetfilterTables
import Netlink
import Testing

struct FlowtableTests {
    /// The kernels of the tests have none: as linux/netfilter/nf_tables.h has the message.
    @Test func `a flowtable is told by family, table and name, and a short message by nothing`() throws {
        var writer = NetlinkWriter()
        // NFT_MSG_NEWFLOWTABLE of nf_tables.
        writer.begin(type: 10 << 8 | 22, flags: 2, sequence: 1, family: 1)
        writer.attribute(1, Array("filter\0".utf8))
        writer.attribute(2, Array("fast\0".utf8))
        writer.end()
        // Three bytes behind the last string are padding.
        for count in 16..<writer.bytes.count - 3 {
            var bytes = Array(writer.bytes[..<count])
            bytes[0] = UInt8(count)
            var offset = 0
            guard let message = NetlinkMessage(in: bytes.span, at: &offset) else { continue }
            let name = TableSocket.flowtable(decoding: bytes.span, message)
            #expect(name == nil)
        }
        var offset = 0
        let message = try #require(NetlinkMessage(in: writer.bytes.span, at: &offset))
        let name = TableSocket.flowtable(decoding: writer.bytes.span, message)
        #expect(name == "inet filter fast")
    }
}
