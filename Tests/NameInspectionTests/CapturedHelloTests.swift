import Foundation
import Glibc
import NameInspection
import Testing

/// Hellos of the `openssl` program: one that was written down, and fresh ones where the program is installed.
struct CapturedHelloTests {
    private static let program = "/usr/bin/openssl"
    static let isInstalled = FileManager.default.isExecutableFile(atPath: program)

    /// `openssl s_client -servername www.example.org -alpn h2,http/1.1`, OpenSSL 3.0.
    static let captured = hex(
        """
        160301014e0100014a03035628edadf55bc5be5c09d7368c9fe21dbd3d87044417c419e6ac0e905b72711d20da1ed3c70aec1efd25abd6fc
        78b89c034c29fad2042f84dc160c1afe64ccd119003e130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c027
        0067c00ac0140039c009c0130033009d009c003d003c0035002f00ff010000c300000014001200000f7777772e6578616d706c652e6f7267
        000b000403000102000a00160014001d0017001e0019001801000101010201030104002300000010000e000c02683208687474702f312e31
        0016000000170000000d002a0028040305030603080708080809080a080b080408050806040105010601030303010302040205020602002b
        0009080304030303020301002d00020101003300260024001d0020ed2f952dfb89d712c7b7c956550fc32d02d411d608d4f1d06bedd63ae1
        c5cd0b
        """)

    @Test func `a hello that was written down tells its name`() {
        #expect(ClientHelloReader.read(Self.captured.span) == name("www.example.org"))
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String { arguments.joined(separator: " ") }
        let arguments: [String]
        let reading: NameReading
    }

    static let rows: [Row] = [
        Row(arguments: ["-servername", "www.example.org"], reading: name("www.example.org")),
        Row(arguments: ["-servername", "www.example.org", "-tls1_2"], reading: name("www.example.org")),
        Row(arguments: ["-servername", "WWW.Example.Org", "-tls1_3", "-alpn", "h2,http/1.1"], reading: name("www.example.org")),
        Row(
            arguments: ["-servername", "a.test", "-groups", "P-521:X25519", "-ciphersuites", "TLS_AES_256_GCM_SHA384"],
            reading: name("a.test")),
        Row(arguments: ["-servername", "192.0.2.1"], reading: .fault(.addressLiteral)),
        Row(arguments: ["-noservername"], reading: .fault(.noServerName)),
    ]

    @Test(.enabled(if: isInstalled, "openssl is not installed"), arguments: rows)
    func `a hello of openssl tells its name, also in small segments`(row: Row) throws {
        let bytes = try Self.hello(row.arguments)
        #expect(ClientHelloReader.read(bytes.span) == row.reading)
        var check = StreamNameCheck(synSequence: 7)
        var reading = NameReading.needsMore
        for segment in SegmentTests.pieces(bytes, of: 37).reversed() {
            reading = check.handle(sequence: UInt32(8 + segment.offset), segment.bytes.span).reading
        }
        #expect(reading == row.reading)
    }

    struct Failure: Error {
        let call: String
        let code: Int32
    }

    /// What the program sends first to a listener of ours.
    static func hello(_ arguments: [String]) throws -> [UInt8] {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard listener >= 0 else { throw Failure(call: "socket", code: errno) }
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                unsafe bind(listener, name, length) == 0 && listen(listener, 1) == 0 && getsockname(listener, name, &length) == 0
            }
        }
        guard bound else { throw Failure(call: "bind", code: errno) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["s_client", "-connect", "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        // Bounds of waits, not of behaviour.
        var poller = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&poller, 1, 20_000) == 1 else { throw Failure(call: "accept", code: ETIMEDOUT) }
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { throw Failure(call: "accept", code: errno) }
        defer { close(connection) }
        var bytes: [UInt8] = []
        while ClientHelloReader.read(bytes.span) == .needsMore {
            poller = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&poller, 1, 20_000) == 1 else { throw Failure(call: "read", code: ETIMEDOUT) }
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = unsafe read(connection, &buffer, buffer.count)
            guard count > 0 else { throw Failure(call: "read", code: errno) }
            bytes += buffer[..<count]
        }
        return bytes
    }
}
