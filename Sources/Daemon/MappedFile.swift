import Enforcement
import Glibc

/// Maps files that outlive the process.
public enum MappedFile {
    /// Opens or makes `path` (mode 0600), gives it at least `byteCount` bytes and maps it shared. Pages that nobody touched
    /// take no memory. A file that is there with another size is kept and resized; what it holds is for the reader to check.
    static func map(_ path: String, byteCount: Int) throws(DaemonError) -> SharedMemory {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw DaemonError("cannot open \(path)", code: errno) }
        defer { close(descriptor) }
        guard ftruncate(descriptor, byteCount) == 0 else { throw DaemonError("cannot size \(path) to \(byteCount) bytes", code: errno) }
        guard let base = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), unsafe base != MAP_FAILED else {
            throw DaemonError("cannot map \(path)", code: errno)
        }
        return unsafe owner(of: base, byteCount)
    }

    /// Zeroed memory of the process's own.
    ///
    /// It asks for huge pages (madvise(2), `MADV_HUGEPAGE`): what is spread over a large table by hash costs a walk through the page tables for
    /// nearly every access, which takes longer than a decision. Where the kernel gives none, small pages do. A thread of its own has them all made
    /// (`MADV_POPULATE_WRITE`): a hundred bindings touch nearly all of them anyway, and whoever touches one first waits until two megabytes are
    /// zeroed, up to 9 ms on a virtual machine, with everybody's queries behind it. A kernel before 5.14 makes them when they are touched.
    ///
    /// - Parameter waitsForPages: whether all are there on return. That takes half a second for 128 MiB that the machine has not used before, so that a start does
    ///   not wait for it.
    public static func anonymous(byteCount: Int, waitsForPages: Bool = false) throws(DaemonError) -> SharedMemory {
        guard let base = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), unsafe base != MAP_FAILED
        else { throw DaemonError("cannot map \(byteCount) bytes", code: errno) }
        unsafe madvise(base, byteCount, Int32(MADV_HUGEPAGE))
        let memory = unsafe owner(of: base, byteCount)
        let address = Int(bitPattern: base)
        let populate = { @Sendable in
            // Sound: `memory` keeps the mapping.
            _ = unsafe madvise(UnsafeMutableRawPointer(bitPattern: address), byteCount, Int32(MADV_POPULATE_WRITE))
            withExtendedLifetime(memory) {}
        }
        if waitsForPages { populate() } else { DaemonThread.start("exeat-pages", populate) }
        return memory
    }

    private static func owner(of base: UnsafeMutableRawPointer, _ byteCount: Int) -> SharedMemory {
        let address = Int(bitPattern: base)
        // Sound: the mapping is released once, by the last owner of the memory.
        return unsafe SharedMemory(base: base, byteCount: byteCount) {
            _ = unsafe munmap(UnsafeMutableRawPointer(bitPattern: address), byteCount)
        }
    }

    /// A number that differs from boot to boot (the boot's random id, folded).
    static func bootMark() -> UInt64 {
        let text = (try? TextFile.read("/proc/sys/kernel/random/boot_id")) ?? ""
        var value: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return value
    }
}
