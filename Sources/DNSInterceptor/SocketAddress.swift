import Glibc
import NetworkTypes

/// An address and port as the kernel takes and gives it.
///
/// The storage holds `sockaddr_in` or the longer `sockaddr_in6` (netinet/in.h):
///
///      0        2      4                8                       24
///      | family | port | v4: address    |                       |
///      | family | port | v6: flow info  | address               | scope |
struct SocketAddress: BitwiseCopyable, Sendable {
    typealias Storage = InlineArray<4, UInt64>

    private(set) var storage = Self.emptyStorage
    let length: socklen_t

    static var emptyStorage: Storage { Storage(repeating: 0) }

    /// What a call may write: a whole `sockaddr_in6`.
    static var storageLength: socklen_t { socklen_t(MemoryLayout<sockaddr_in6>.size) }

    init(_ address: IPAddress, port: UInt16) {
        switch address.family {
        case .v4:
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { bytes in
                unsafe bytes.storeBytes(of: sa_family_t(AF_INET), as: sa_family_t.self)
                unsafe bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
                unsafe bytes.storeBytes(of: address.v4.bigEndian, toByteOffset: 4, as: UInt32.self)
            }
        case .v6:
            length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            unsafe withUnsafeMutableBytes(of: &storage) { bytes in
                unsafe bytes.storeBytes(of: sa_family_t(AF_INET6), as: sa_family_t.self)
                unsafe bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
                unsafe bytes.storeBytes(of: address.upper.bigEndian, toByteOffset: 8, as: UInt64.self)
                unsafe bytes.storeBytes(of: address.lower.bigEndian, toByteOffset: 16, as: UInt64.self)
            }
        }
    }

    /// What the kernel wrote: `length` valid bytes of `storage`.
    init(storage: Storage, length: socklen_t) {
        self.storage = storage
        self.length = length
    }

    /// Nil for a family that is neither IPv4 nor IPv6. An IPv4-mapped address is given as IPv4, because listening
    /// sockets are of one family and such a source cannot appear there by itself.
    var address: IPAddress? {
        unsafe withUnsafeBytes(of: storage) { bytes in
            switch unsafe Int32(bytes.load(as: sa_family_t.self)) {
            case AF_INET:
                return unsafe IPAddress(v4: UInt32(bigEndian: bytes.load(fromByteOffset: 4, as: UInt32.self)))
            case AF_INET6:
                let upper = unsafe UInt64(bigEndian: bytes.load(fromByteOffset: 8, as: UInt64.self))
                let lower = unsafe UInt64(bigEndian: bytes.load(fromByteOffset: 16, as: UInt64.self))
                let address = IPAddress(v6Upper: upper, lower: lower)
                return address.mappedV4 ?? address
            default:
                return nil
            }
        }
    }

    /// In host byte order.
    var port: UInt16 {
        unsafe withUnsafeBytes(of: storage) { unsafe UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
    }

    /// Runs `body` with the pointer that socket calls take.
    func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        unsafe withUnsafePointer(to: storage) { pointer in
            unsafe body(UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), length)
        }
    }

    /// The address that `descriptor` is bound to; nil with `errno` set if the kernel does not say.
    static func ofSocket(_ descriptor: Int32) -> SocketAddress? {
        var storage = emptyStorage
        var length = storageLength
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe getsockname(descriptor, UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), &length)
        }
        return status == 0 ? SocketAddress(storage: storage, length: length) : nil
    }
}
